"""Which subtitles are chosen, and what is made of them."""

from pathlib import Path
from typing import Any

import pytest

from downloads.fetch import subtitles
from downloads.fetch.subtitles import MAX_SUBTITLES, NotSubtitles, choose, to_webvtt
from tests.helpers.choices import webvtt

TTML = """<tt xmlns="http://www.w3.org/ns/ttml"><body><div>
<p begin="00:00:01.000" end="00:00:02.000">Hello</p></div></body></tt>"""
ASS = """[Script Info]
ScriptType: v4.00+

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,Hello
"""
MAPPED = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n"


def offered(*languages: str, ext: str = "vtt") -> dict[str, list[dict[str, str]]]:
    return {language: [{"url": f"/{language}", "ext": ext}] for language in languages}


@pytest.mark.parametrize(
    ("wanted", "found", "missing"),
    [
        (["en"], ["en"], []),
        (["de", "en"], ["de", "en"], []),
        (["EN"], ["en"], []),
        (["es"], ["es-419"], []),
        (["pt"], ["pt-BR"], []),
        (["es-419", "es"], ["es-419"], []),
        (["pt-PT"], ["pt-PT-x"], []),
        (["it", "en"], ["en"], ["it"]),
        (["all"], ["de", "en", "es-419", "pt-BR", "pt-PT-x"], []),
        (["fr"], [], ["fr"]),
    ],
)
def test_languages_are_found(wanted: list[str], found: list[str], missing: list[str]) -> None:
    info = {
        "subtitles": offered("en", "de", "es-419", "pt-BR", "pt-PT-x"),
        "automatic_captions": offered("fr"),
    }

    chosen = choose(info, wanted, automatic_captions=False)

    assert (list(chosen.sources), chosen.missing) == (found, missing)


def test_automatic_captions_stand_in_only_where_nothing_else_is() -> None:
    info = {"subtitles": offered("en"), "automatic_captions": offered("en", "fr")}

    chosen = choose(info, ["en", "fr"], automatic_captions=True)

    assert chosen.sources == {**offered("en"), **offered("fr")}


def test_the_best_form_is_taken() -> None:
    forms = [{"ext": "json3", "url": "1"}, {"ext": "ttml", "url": "2"}, {"ext": "vtt", "url": "3"}]

    chosen = choose({"subtitles": {"en": forms}}, ["en"], automatic_captions=False)

    assert [each["ext"] for each in chosen.sources["en"]] == ["vtt", "ttml"]


@pytest.mark.parametrize(
    "sources", [{"live_chat": [{"ext": "vtt"}]}, {"en": [{"ext": "json3"}]}, {"en": []}, None]
)
def test_what_no_player_reads_is_not_offered(sources: Any) -> None:
    chosen = choose({"subtitles": sources}, ["all"], automatic_captions=False)

    assert (chosen.sources, chosen.offered) == ({}, [])


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("en", "en"),
        ("../../etc/passwd", "etc-passwd"),
        ("English (US)", "English-US"),
        ("zh_Hant", "zh_Hant"),
        ("日本語", "und"),
        ("e\u202en", "e-n"),
        ("x" * 99, "x" * 32),
        (None, "None"),
    ],
)
def test_a_language_may_stand_in_the_name_of_a_file(name: Any, language: str) -> None:
    assert subtitles.language_of(name) == language


def test_a_site_with_very_many_is_not_asked_for_all() -> None:
    names = [f"l{number}" for number in range(MAX_SUBTITLES + 7)]

    chosen = choose({"subtitles": offered(*names)}, ["all"], automatic_captions=False)

    assert (len(chosen.sources), chosen.left_out) == (MAX_SUBTITLES, 7)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("vtt", webvtt((1, "Hello"))),
        ("vtt", "\ufeff" + webvtt((1, "Hello"))),
        ("vtt", webvtt((1, "Hello")).replace("\n", "\r\n")),
        (
            "vtt",
            MAPPED + webvtt((1, "Hello"))[8:],
        ),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\nHello\n"),
        ("ass", ASS),
        ("ttml", TTML),
    ],
)
def test_every_form_becomes_webvtt(tmp_path: Path, suffix: str, content: str) -> None:
    path = tmp_path / f"subtitles0.{suffix}"
    path.write_text(content, encoding="utf-8", newline="")

    made = to_webvtt(path, suffix=suffix, clip=None)

    text = made.read_text()
    assert made.name == "subtitles0.vtt"
    assert "WEBVTT" in text
    assert "Hello" in text


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("vtt", "WEBVTT\n\nNOTE nothing\n\n"),
        ("vtt", "<!doctype html><p>00:00:01.000 --> 00:00:02.000"),
        ("srt", "  <html><body>1</body></html>"),
        ("srt", "1\n"),
        ("ttml", "<tt><body>"),
        ("ttml", "no XML"),
        ("ass", "[Script Info]\n"),
    ],
)
def test_nothing_else_does(tmp_path: Path, suffix: str, content: str) -> None:
    path = tmp_path / f"subtitles0.{suffix}"
    path.write_text(content)

    with pytest.raises(NotSubtitles):
        to_webvtt(path, suffix=suffix, clip=None)
