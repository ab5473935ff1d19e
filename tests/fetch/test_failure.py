"""Exceptions as yt-dlp and Python really nest them, taken apart."""

import io
import json
from datetime import UTC, datetime

import pytest
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, bug_reports_message

from downloads.fetch.failure import MAX_MESSAGE_LENGTH, clean_message, facts_of, parse_retry_after
from downloads.fetch.protocol import decode, encode
from downloads.rules.classify import classify
from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import facts

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def http_error(status: int, **headers: str) -> HTTPError:
    answer = Response(
        io.BytesIO(),
        "http://x/",
        {name.replace("_", "-"): v for name, v in headers.items()},
        status,
    )
    return HTTPError(answer)


def download_error(cause: Exception) -> DownloadError:
    """As YoutubeDL.trouble() makes them: the cause is in exc_info only."""
    return DownloadError(f"ERROR: {cause}", (type(cause), cause, None))


def test_the_whole_chain_of_causes_is_named() -> None:
    try:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise TransportError(cause=error) from error
    except TransportError as error:
        told = facts_of(download_error(ExtractorError("no", cause=error)), refusals=[])

    assert told.kinds[:2] == ["DownloadError", "ExtractorError"]
    assert {"TransportError", "ConnectionRefusedError"} <= set(told.kinds)
    assert told.errno == 111


@pytest.mark.parametrize("before", [";", "", ".", "!"])
def test_nobody_is_sent_to_the_tracker_of_yt_dlp(before: str) -> None:
    message = clean_message(f"ERROR: [x] 1: It broke{bug_reports_message(before)} (at once)")

    assert message == f"[x] 1: It broke{before.strip(';')} (at once)"


def test_a_chain_that_is_a_circle_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first

    assert facts_of(first, refusals=[]).kinds == ["ValueError", "ValueError"]


def test_status_and_retry_after_come_from_the_answer() -> None:
    told = facts_of(download_error(http_error(429, Retry_After="7")), refusals=[])

    assert (told.http_status, told.retry_after_seconds) == (429, 7.0)


def test_the_status_is_told_when_yt_dlp_gave_up_after_tries_of_its_own() -> None:
    said = "[download] Got error: HTTP Error 503: Service Unavailable. Giving up after 3 retries"

    told = facts_of(DownloadError(said), refusals=[])

    assert told.http_status == 503
    assert classify(facts(told)) is ErrorClass.NETWORK


def test_a_refusal_of_the_guard_is_the_cause_of_what_failed_after_it() -> None:
    told = facts_of(RuntimeError("No handlers"), refusals=["127.0.0.1 is private", "again"])

    assert told.kinds[0] == "PolicyBlocked"
    assert told.message == "127.0.0.1 is private"


@pytest.mark.parametrize(
    ("expected", "error_class"),
    [(True, ErrorClass.UNAVAILABLE), (False, ErrorClass.EXTRACTOR_BROKEN)],
)
def test_what_the_extractor_foresaw_is_the_sites_answer(
    expected: bool, error_class: ErrorClass
) -> None:
    error = ExtractorError("Iwara says: nope", expected=expected)

    told = facts_of(download_error(error), refusals=[])

    assert classify(facts(told)) is error_class
    assert told.message == "Iwara says: nope"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("ERROR: \x1b[0;31mred\x1b[0m", "red"),
        ("a\x00b\x07c\x1b]0;title\x07d\x9be", "abc]0;titlede"),
        ("right \u202eto left\u2066, \ud800 alone", "right to left,  alone"),
        ("two\nlines\r\n", "two\nlines"),
        ("Unable; please report this issue on  https://github.com/yt-dlp , filling", "Unable"),
        ("é" * 5000, "é" * MAX_MESSAGE_LENGTH),
    ],
)
def test_messages_are_cleaned(text: str, clean: str) -> None:
    assert clean_message(text) == clean


def test_an_error_without_words_is_called_by_its_type() -> None:
    assert facts_of(MemoryError(), refusals=[]).message == "MemoryError"


def test_facts_can_be_sent_whatever_the_site_wrote_into_them() -> None:
    told = facts_of(RuntimeError("\ud800\x00\n" + "x" * 10**6), refusals=[])

    assert decode(encode(told)) == told
    told.message.encode()
    assert len(json.dumps(told.message)) < 10_000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("-1", -1.0),
        ("1000000000", 1e9),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 11:59:00 GMT", -60.0),
        ("Sunday, 22-Nov-26 12:01:00 GMT", 60.0),
        ("9" * 400, None),
        ("9" * 9000, None),
        ("Sun, 22 Nov 99999999999999999999 12:00:00 GMT", None),
        ("Sun, 22 Nov 2026 12:00:00", None),
        ("soon", None),
        ("1e3", None),
        ("nan", None),
        ("\x00", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds
