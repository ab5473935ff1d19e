"""What the name of a file says of its video, as yt-dlp names them: `Title [id]`.

Pure: a function of texts.
"""

import re

NAMED = re.compile(r"(?P<title>.+) \[(?P<id>[A-Za-z0-9_-]{6,64})\]", re.DOTALL)
YOUTUBE = "youtube"
YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")


def title_and_id(stem: str, *, extractor: str) -> tuple[str, str]:
    """Return title and the site's id of a video by its file's name, without the suffix.

    The id is "" when the name has none. Without an `extractor` nobody knows whose it is, but it is
    not a part of the title; a plain word in brackets is. A name of YouTube may be the id alone.
    """
    if extractor == YOUTUBE and YOUTUBE_ID.fullmatch(stem):
        return stem, stem
    match = NAMED.fullmatch(stem)
    if match is None:
        return stem, ""
    title, found = match["title"], match["id"]
    if extractor:
        is_id = extractor != YOUTUBE or YOUTUBE_ID.fullmatch(found)
        return (title, found) if is_id else (stem, "")
    is_word = found in (found.lower(), found.upper(), found.capitalize()) and found.isalpha()
    return (stem if is_word else title), ""


def link_of(extractor: str, site_id: str) -> str:
    """Return the address of a video; "" when it cannot be told from its id."""
    return f"https://www.youtube.com/watch?v={site_id}" if extractor == YOUTUBE and site_id else ""
