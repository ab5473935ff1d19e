"""A podcast as RSS 2.0, with the tags of Apple, of the podcast namespace, and Podlove's chapters.

Chapters stand there twice, since clients know one form or the other. Values only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.xmlreader import AttributesImpl

from django.utils.feedgenerator import Enclosure, Rss201rev2Feed
from django.utils.xmlutils import SimplerXMLGenerator

NAMESPACES = {
    "xmlns:itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "xmlns:podcast": "https://podcastindex.org/namespace/1.0",
    "xmlns:psc": "http://podlove.org/simple-chapters",
}
CATEGORY = "TV & Film"  # of Apple's list
AUTHOR = "vnsite"
CHAPTERS_TYPE = "application/json+chapters"
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
# XML 1.0, section 2.2: a document with another character cannot be read at all.
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One item. The addresses are absolute; "": there is none."""

    id: str  # the same for ever, in all feeds
    title: str
    link: str
    description: str
    author: str
    dated_at: datetime
    seconds: int  # 0: not known
    language: str
    enclosure: Enclosure
    image: str
    chapters: str
    marks: Sequence[tuple[float, str]]  # second and title of each chapter


class _Podcast(Rss201rev2Feed):
    def rss_attributes(self) -> dict[str, str]:
        return {**super().rss_attributes(), **NAMESPACES}

    def add_root_elements(self, handler: SimplerXMLGenerator) -> None:
        super().add_root_elements(handler)
        handler.addQuickElement("itunes:author", AUTHOR)
        handler.addQuickElement("itunes:image", None, {"href": self.feed["image"]})
        handler.addQuickElement("itunes:category", None, {"text": CATEGORY})
        handler.addQuickElement("itunes:explicit", "false")
        handler.addQuickElement("itunes:type", "episodic")
        # Its address is a secret: no directory lists it, and nobody takes it over.
        handler.addQuickElement("itunes:block", "Yes")
        handler.addQuickElement("podcast:locked", "yes")

    def add_item_elements(self, handler: SimplerXMLGenerator, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        if item["author"]:
            handler.addQuickElement("itunes:author", item["author"])
        if item["seconds"]:
            handler.addQuickElement("itunes:duration", str(item["seconds"]))
        if item["image"]:
            handler.addQuickElement("itunes:image", None, {"href": item["image"]})
        if item["chapters"]:
            chapters = {"url": item["chapters"], "type": CHAPTERS_TYPE}
            handler.addQuickElement("podcast:chapters", None, chapters)
        if item["marks"]:
            handler.startElement("psc:chapters", AttributesImpl({"version": "1.2"}))
            for seconds, title in item["marks"]:
                mark = {"start": _normal_play_time(seconds), "title": _text(title)}
                handler.addQuickElement("psc:chapter", None, mark)
            handler.endElement("psc:chapters")


def podcast(
    *,
    title: str,
    link: str,
    address: str,
    image: str,
    usual_language: str,
    episodes: Sequence[Episode],
) -> bytes:
    """Write the document. It speaks the language of the newest episode that says one."""
    said = (each.language for each in episodes if LANGUAGE.fullmatch(each.language))
    document = _Podcast(
        title=_text(title),
        link=link,
        description=_text(title),
        language=next(said, usual_language).lower(),
        feed_url=address,
        image=image,
    )
    for each in episodes:
        document.add_item(
            title=_text(each.title),
            link=each.link,
            description=_text(each.description or each.title),
            unique_id=each.id,
            unique_id_is_permalink=False,
            pubdate=each.dated_at,
            enclosures=[each.enclosure],
            author=_text(each.author),
            seconds=each.seconds,
            image=each.image,
            chapters=each.chapters,
            marks=each.marks,
        )
    return document.writeString("utf-8").encode()


def _normal_play_time(seconds: float) -> str:
    """Write a time as RFC 2326, section 3.6, has it: 01:01:01.500."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02}:{minutes:02}:{rest:06.3f}"


def _text(text: str) -> str:
    return NOT_IN_XML.sub("", text)
