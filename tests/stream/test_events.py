"""The events of the stream, byte for byte."""

from datetime import UTC, datetime

import pytest

from downloads.stream import events
from downloads.stream.events import Bye, Resync

NOON = datetime(2026, 7, 1, 12, 0, 0, 250000, tzinfo=UTC)


def test_an_event_with_a_seq_has_it_as_id() -> None:
    assert events.encode("name", {"key": [1, None]}, seq=7) == (
        b'id: 7\nevent: name\ndata: {"key":[1,null]}\n\n'
    )


def test_an_event_without_a_seq_leaves_the_last_id_alone() -> None:
    assert events.encode("name", {}) == b"event: name\ndata: {}\n\n"


def test_a_line_break_cannot_end_the_data() -> None:
    assert events.encode("name", "a\n\ndata: b\r\u2028") == (
        b'event: name\ndata: "a\\n\\ndata: b\\r\\u2028"\n\n'
    )


def test_hello() -> None:
    assert events.hello(seq=7, now=NOON) == (
        b'event: hello\ndata: {"seq":7,"now":"2026-07-01T12:00:00.250000Z","heartbeat":15}\n\n'
    )


@pytest.mark.parametrize(("is_stale", "word"), [(False, b"false"), (True, b"true")])
def test_a_heartbeat_has_an_id_and_its_own_name(is_stale: bool, word: bytes) -> None:
    assert events.heartbeat(seq=7, now=NOON, is_stale=is_stale) == (
        b'id: 7\nevent: heartbeat\ndata: {"now":"2026-07-01T12:00:00.250000Z","stale":%s}\n\n'
        % word
    )


@pytest.mark.parametrize("why", ["gap", "unknown"])
def test_resync(why: str) -> None:
    expected = f'event: resync\ndata: {{"why":"{why}"}}\n\n'.encode()

    assert events.resync(Resync(why)) == expected


@pytest.mark.parametrize("why", ["age", "shutdown", "signed_out"])
def test_bye(why: str) -> None:
    assert events.bye(Bye(why)) == f'event: bye\ndata: {{"why":"{why}"}}\n\n'.encode()


def test_a_greeting_spreads_the_browsers_that_come_back() -> None:
    pauses = set()
    for _ in range(50):
        first, _, rest = events.greeting(seq=7, now=NOON).partition(b"\n\n")
        name, _, milliseconds = first.partition(b": ")
        pauses.add(int(milliseconds))
        assert name == b"retry"
        assert rest == events.hello(seq=7, now=NOON)

    assert len(pauses) > 10
    assert all(1000 <= pause <= 5000 for pause in pauses)


def test_reports_are_one_list() -> None:
    assert events.progress([b'"a"', b'"b"']) == b'event: progress\ndata: ["a","b"]\n\n'


def test_no_reports_are_no_event() -> None:
    assert events.progress([]) == b""
