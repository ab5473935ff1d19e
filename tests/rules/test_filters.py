"""Which entries a subscription takes."""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from downloads.rules.filters import Filters, InvalidFilter, TooSlow, Verdict

TAKE, LEAVE, LATER = Verdict.TAKE, Verdict.LEAVE, Verdict.LATER


@dataclass
class Video:
    title: str = "A film about cats"
    url: str = "https://example.org/watch?v=1"
    duration_seconds: float | None = 600.0
    uploaded_at: datetime | None = datetime(2026, 6, 1, 12, tzinfo=UTC)
    is_live: bool = False


SHORT = {"url": "https://www.youtube.com/shorts/abc"}


@pytest.mark.parametrize(
    ("filters", "video", "verdict"),
    [
        ({}, {}, TAKE),
        ({"include": "CATS"}, {}, TAKE),
        ({"include": "dogs, about  cats"}, {}, TAKE),
        ({"include": "dogs"}, {}, LEAVE),
        ({"include": " , "}, {}, TAKE),
        ({"exclude": "film"}, {}, LEAVE),
        ({"exclude": "dogs"}, {}, TAKE),
        ({"include": "film", "exclude": "cats"}, {}, LEAVE),
        ({"include": r"/^a film\b/"}, {}, TAKE),
        ({"include": r"/^cats/"}, {}, LEAVE),
        ({"include": "/"}, {}, LEAVE),
        ({"include": "STRASSE"}, {"title": "Die Straße"}, TAKE),
        ({"min_seconds": 600}, {}, TAKE),
        ({"min_seconds": 601}, {}, LEAVE),
        ({"max_seconds": 600}, {}, TAKE),
        ({"max_seconds": 599}, {}, LEAVE),
        ({"min_seconds": 601}, {"duration_seconds": None}, TAKE),
        ({"since": date(2026, 6, 1)}, {}, TAKE),
        ({"since": date(2026, 6, 2)}, {}, LEAVE),
        ({"since": date(2026, 6, 2)}, {"uploaded_at": None}, TAKE),
        ({}, SHORT, TAKE),
        ({"shorts": False}, SHORT, LEAVE),
        ({"shorts": False}, {"title": "Shorts in summer"}, TAKE),
        ({}, {"is_live": True}, LATER),
        ({"live": True}, {"is_live": True}, TAKE),
        ({"exclude": "cats"}, {"is_live": True}, LEAVE),
        ({"min_seconds": 601}, {"is_live": True, "duration_seconds": 0.0}, LATER),
    ],
)
def test_an_entry_is_judged(
    filters: dict[str, Any], video: dict[str, Any], verdict: Verdict
) -> None:
    assert Filters(**filters).judge(Video(**video)) is verdict


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"include": "/(/"}, "include"),
        ({"exclude": "/[a/"}, "exclude"),
        ({"include": "x" * 301}, "include"),
        ({"include": ",".join("abcdefghijklmnopqrstuvwxyzäöüßñ")}, "include"),
        ({"include": "a\0b"}, "include"),
        ({"min_seconds": -1}, "min_seconds"),
        ({"max_seconds": 8 * 24 * 3600}, "max_seconds"),
        ({"min_seconds": 10, "max_seconds": 9}, "max_seconds"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(filters: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFilter) as refusal:
        Filters(**filters)

    assert refusal.value.field == field
    assert str(refusal.value).endswith(".")


def test_an_expression_that_takes_too_long_is_given_up() -> None:
    filters = Filters(include=r"/^(a|aa)+$/")
    began = time.process_time()

    with pytest.raises(TooSlow):
        filters.judge(Video(title="a" * 60 + "!"))

    assert time.process_time() - began < 30  # it would take years


@pytest.mark.parametrize(
    ("filters", "tab", "is_read"),
    [
        ({}, "videos", True),
        ({}, "shorts", True),
        ({}, "streams", False),
        ({"live": True}, "streams/", True),
        ({"shorts": False}, "shorts", False),
    ],
)
def test_the_tabs_of_a_channel_are_read_as_wished(
    filters: dict[str, Any], tab: str, is_read: bool
) -> None:
    link = f"https://www.youtube.com/@somebody/{tab}"

    assert Filters(**filters).wants_list(link) is is_read
