"""What yt-dlp learns of a site in one download and may know in the next. Pure.

A closed table. All of it is the same for every visitor of a site: nothing that belongs to a person
or to a login, and no code.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_VALUE_BYTES = 64 * 1024  # as JSON
MAX_TOTAL_BYTES = 16 * 2**20
MAX_LEARNED = 32  # in one attempt
VERSION = re.compile(r"[0-9][0-9A-Za-z.]{0,39}")
MAX_NUMBERS = 10_000
MAX_NUMBER = 2**31


@dataclass(frozen=True, kw_only=True)
class Section:
    """One kind of knowledge: what its keys and its values look like."""

    key: re.Pattern[str]
    fits: Callable[[Any], bool]


def _is_permutation(value: Any) -> bool:
    """Say whether a value is a list of small whole numbers."""
    is_list = isinstance(value, list) and 0 < len(value) <= MAX_NUMBERS
    return is_list and all(type(each) is int and 0 <= each < MAX_NUMBER for each in value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w.~+/=-]{1,500}", value) is not None


SECTIONS: Mapping[str, Section] = {
    # In which order a YouTube player puts the characters of a signature. It spares most downloads
    # the JavaScript runtime. The key is the player's id.
    "youtube-sigfuncs": Section(key=re.compile(r"[\w.-]{1,200}"), fits=_is_permutation),
    # By which name SoundCloud's own page asks its API. It spares the page and its scripts.
    "soundcloud": Section(key=re.compile("client_id"), fits=_is_word),
    # By which key a publisher's public player asks Brightcove. It spares the player.
    "brightcove": Section(key=re.compile(r"[0-9]{1,30}_[\w-]{1,100}"), fits=_is_word),
}


def is_listed(section: str, key: str) -> bool:
    """Return whether a section and a key may be remembered at all."""
    found = SECTIONS.get(section)
    return found is not None and found.key.fullmatch(key) is not None


def may_be_kept(section: str, key: str, value: Any) -> bool:
    """Return whether a value may be remembered. None means that what was known is wrong."""
    if not is_listed(section, key):
        return False
    if value is None:
        return True
    return SECTIONS[section].fits(value) and len(json.dumps(value)) <= MAX_VALUE_BYTES
