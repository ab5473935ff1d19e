"""Lists that yt-dlp reads of any host: feeds, and a catalogue whose videos have ids."""

import json
from collections.abc import Iterable
from xml.sax.saxutils import escape

from tests.helpers.scripted_site import Answer, ScriptedSite

DESCRIPTION = "What it is about.\nIn two lines."  # of all videos of a catalogue


def feed(*links: str, title: str = "A feed") -> str:
    """An RSS feed; each link is one item, whose title is "Item n"."""
    return rss((item(link, number) for number, link in enumerate(links, 1)), title=title)


def item(link: str, number: int, *, text: str = "") -> str:
    return (
        f"<item><title>Item {number}</title><link>{escape(link)}</link><guid>guid-{number}</guid>"
        f"<pubDate>Sat, 28 Nov 2026 10:00:00 GMT</pubDate><itunes:duration>1:05</itunes:duration>"
        f"<description>{escape(text)}</description></item>"
    )


def rss(items: Iterable[str], *, title: str = "A feed") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"'
        ' xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd">'
        f"<channel><title>{escape(title)}</title>{''.join(items)}</channel></rss>"
    )


class Catalogue:
    """A site with lists and videos of an extractor that takes any host; all videos are one film."""

    def __init__(self, site: ScriptedSite, film: bytes) -> None:
        self._site = site
        base = "/Mediasite/PlayerService/PlayerService.svc/json/GetPlayerOptions"
        video = {"Location": site.serve("/film.mp4", Answer(body=film, media_type="video/mp4"))}
        stream = {"StreamType": 0, "VideoUrls": [{**video, "MimeType": "video/mp4"}]}
        said = {"Title": "A talk", "Description": DESCRIPTION, "Streams": [stream]}
        told = {"d": {"Presentation": said}}
        site.serve(base, Answer(body=json.dumps(told)))

    def video(self, number: int) -> str:
        return self._site.serve(f"/Mediasite/Play/{number:032x}", Answer(body="<html>"))

    def list(self, number: int, *videos: int) -> str:
        """A list of videos; the last that was made is what all lists of the site hold."""
        held = {"PresentationDetailsList": [{"Id": f"{video:032x}"} for video in videos]}
        data = "/Mediasite/Catalog/Data/GetPresentationsForFolder"
        self._site.serve(data, Answer(body=json.dumps(held)))
        for video in videos:
            self.video(video)
        return self._site.serve(f"/Mediasite/Catalog/Full/{number:032x}", Answer(body="<html>"))

    @property
    def fetched(self) -> int:
        """How often the film was asked for, and not only how long it is."""
        asked = self._site.requests_of("/film.mp4")
        return sum(each.method == "GET" for each in asked)
