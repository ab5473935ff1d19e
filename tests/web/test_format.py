"""Sizes, durations and instants are written by the server and patched by the browser: alike."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.utils import timezone, translation

from downloads.sandbox.programs import find_deno
from downloads.web.format import duration, in_groups, instant, ordinal, since, size
from downloads.web.words import words

FORMAT_JS = Path(__file__).resolve().parent.parent.parent / "downloads/static/downloads/format.js"

SIZES = {
    0: "0 B",
    999: "999 B",
    1000: "1.0 KiB",
    1024: "1.0 KiB",
    1536: "1.5 KiB",
    10 * 1024: "10 KiB",
    2**20 - 1: "1.0 MiB",
    2**20: "1.0 MiB",
    6.2 * 2**20: "6.2 MiB",
    9.96 * 2**20: "10 MiB",
    118 * 2**20: "118 MiB",
    999.4 * 2**20: "999 MiB",
    999.6 * 2**20: "1.0 GiB",
    12.5 * 2**30: "12 GiB",
    13.5 * 2**30: "14 GiB",
    5 * 2**40: "5.0 TiB",
    2**63: "8192 PiB",
}
DURATIONS = {
    0: "0.0 s",
    -1: "0.0 s",
    0.44: "0.4 s",
    0.95: "1 s",
    26: "26 s",
    59.4: "59 s",
    59.5: "1 min 00 s",
    273: "4 min 33 s",
    3599.5: "1 h 00 min",
    7500: "2 h 05 min",
    86400: "1 d 0 h",
    100_000: "1 d 3 h",
}
AGES = {
    0: "just now",
    4.9: "just now",
    -4.9: "just now",
    10: "10 s ago",
    -30: "in 30 s",
    61: "1 min ago",
    -481: "in 8 min",
    7300: "2 h ago",
    200_000: "2 d ago",
}


@pytest.mark.parametrize(("count", "written"), SIZES.items())
def test_size(count: float, written: str) -> None:
    assert size(count) == written


@pytest.mark.parametrize(("seconds", "written"), DURATIONS.items())
def test_duration(seconds: float, written: str) -> None:
    assert duration(seconds) == written


@pytest.mark.parametrize(("seconds", "written"), AGES.items())
def test_since(seconds: float, written: str) -> None:
    assert since(seconds) == written


@pytest.mark.parametrize(
    ("options", "rest"),
    [
        ({}, "data-local>2026-11-28 09:58:30 UTC"),
        ({"clock": True, "due": True}, "data-clock data-due>09:59 UTC"),
        ({"relative": True}, "data-ago>just now"),
    ],
)
def test_an_instant_is_written_whole_and_as_it_is_shown(
    options: dict[str, bool], rest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 11, 28, 9, 58, 30, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: at)

    written = instant(at, **options)

    head = '<time datetime="2026-11-28T09:58:30+00:00" title="2026-11-28 09:58:30 UTC"'
    assert written == f"{head} {rest}</time>"


@pytest.mark.parametrize(
    ("number", "english", "spanish"),
    [(999, "999", "999"), (1284, "1,284", "1284"), (12_345, "12,345", "12.345")],
)
def test_digits_are_grouped_as_the_reader_does(number: int, english: str, spanish: str) -> None:
    assert in_groups(number) == english
    with translation.override("es"):
        assert in_groups(number) == spanish


def test_spanish_has_a_decimal_comma_and_begins_a_date_with_the_day() -> None:
    with translation.override("es"):
        assert (size(1536), duration(0.44)) == ("1,5 KiB", "0,4 s")
        assert "28/11/2026 09:58:30 UTC" in instant(datetime(2026, 11, 28, 9, 58, 30, tzinfo=UTC))


def test_a_size_that_is_not_known_is_a_dash() -> None:
    assert size(None) == "—"


@pytest.mark.parametrize(
    ("function", "table"), [("size", SIZES), ("duration", DURATIONS), ("ago", AGES)]
)
def test_the_browser_writes_the_same(
    function: str, table: dict[float, str], tmp_path: Path
) -> None:
    deno = find_deno()
    if deno is None:
        pytest.skip("deno is missing: run bin/setup")
    code = (
        'globalThis.document = { documentElement: { lang: "en" } };'
        f"globalThis.vnsiteWords = {json.dumps(words())};"
        f"const {{ {function} }} = await import({json.dumps(FORMAT_JS.as_uri())});"
        f"console.log(JSON.stringify({json.dumps(list(table))}.map({function})));"
    )

    done = subprocess.run(
        [deno, "eval", code],
        capture_output=True,
        check=True,
        env={"DENO_DIR": str(tmp_path), "NO_COLOR": "1"},
    )

    assert json.loads(done.stdout) == list(table.values())


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"),
     (21, "21st"), (112, "112th"), (1002, "1,002nd")],
)  # fmt: skip
def test_a_place_is_an_ordinal(number: int, words: str) -> None:
    assert ordinal(number) == words


def test_a_place_in_spanish_is_of_a_download() -> None:
    with translation.override("es"):
        assert ordinal(12) == "12.ª"
