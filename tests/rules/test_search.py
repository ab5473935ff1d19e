from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.errors import ErrorClass
from downloads.rules.search import BadValue, Is, Search, checked
from downloads.rules.states import RUNNING, Outcome, State


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", []),
        ("   ", []),
        ('""', []),
        ("sunrise", [("", "sunrise")]),
        ("sunrise  harbour", [("", "sunrise"), ("", "harbour")]),
        ('"sunrise over"', [("", "sunrise over")]),
        ('"sunrise over', [("", "sunrise over")]),
        ('sun"rise over"', [("", "sunrise over")]),
        ("-sunrise", [("", "-sunrise")]),
        ("https://example.org/a?b=c", [("", "https://example.org/a?b=c")]),
        ("part:1", [("", "part:1")]),
        ("12:30", [("", "12:30")]),
        (":", [("", ":")]),
        ('"host:example.org"', [("", "host:example.org")]),
        ("host:example.org", [("host", "example.org")]),
        ("HOST:WWW.Example.org", [("host", "example.org")]),
        ("host:127.0.0.1:8000", [("host", "127.0.0.1:8000")]),
        ("state:failed", [("state", Outcome.FAILED)]),
        ("state:Completed", [("state", Outcome.COMPLETED)]),
        ("state:waiting", [("state", frozenset({State.CREATED}))]),
        ("state:running", [("state", RUNNING)]),
        ("state:active", [("state", RUNNING)]),
        ("state:ready", [("state", frozenset({State.READY}))]),
        ("state:cleaned", [("state", frozenset({State.CLEANED}))]),
        ("error:network", [("error", ErrorClass.NETWORK)]),
        ("error:Rate-Limited", [("error", ErrorClass.RATE_LIMITED)]),
        ("id:0A1B", [("id", "0a1b")]),
        ("after:2026-11-03", [("after", date(2026, 11, 3))]),
        ("before:2026-11-03", [("before", date(2026, 11, 3))]),
        ("after:7d", [("after", timedelta(days=7))]),
        ("before:12H", [("before", timedelta(hours=12))]),
        ("after:2w", [("after", timedelta(weeks=2))]),
        ("owner:Anna", [("owner", "Anna")]),
        ('owner:"anna maria"', [("owner", "anna maria")]),
        ("batch:0a1b2c3d4e5f", [("batch", "0a1b2c3d4e5f")]),
        ("is:paused", [("is", Is.PAUSED)]),
        ("is:list", [("is", Is.LIST)]),
        ("sun host:a.example rise", [("", "sun"), ("host", "a.example"), ("", "rise")]),
    ],
)
def test_what_is_read(typed: str, read: list[tuple[str, Any]]) -> None:
    assert [(part.name, part.value) for part in Search.parse(typed).parts] == read


@pytest.mark.parametrize("typed", ["-host:example.org", "-state:failed", "-is:list"])
def test_a_qualifier_is_turned_round(typed: str) -> None:
    (part,) = Search.parse(typed).parts

    assert part.is_negated


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("host:", "host:example.org"),
        ("owner:", "owner:anna"),
        ("state:faild", "faild"),
        ("state:", "waiting"),
        ("error:oops", "rate_limited"),
        ("is:new", "paused"),
        ("after:", "2026-11-03"),
        ("after:yesterday", "yesterday"),
        ("before:2026-13-01", "2026-13-01"),
        ("after:0001-01-01", "0001-01-01"),
        ("before:99999d", "99999d"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_and_the_rest_counts(typed: str, named: str) -> None:
    search = Search.parse(f"sun {typed} rise")

    (fault,) = search.faults
    assert named in fault
    assert [part.value for part in search.parts if not part.fault] == ["sun", "rise"]
    with pytest.raises(BadValue, match=r"\w"):
        checked(typed)


def test_a_part_can_be_taken_out() -> None:
    search = Search.parse('sun  host:a.example "over the sea"')

    assert search.without(1) == 'sun "over the sea"'


@given(st.text(max_size=60))
def test_any_text_is_read_and_put_together_again(text: str) -> None:
    search = Search.parse(text)

    assert Search.parse(search.without(-1)) == search
