"""Feeds, which are the lists that yt-dlp reads of any host."""

from collections.abc import Iterable
from xml.sax.saxutils import escape


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
