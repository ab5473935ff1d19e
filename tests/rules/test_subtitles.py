"""What is said in WebVTT, and what is quoted of it."""

import pytest

from downloads.rules.subtitles import AROUND, quote, words_of

ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.070 align:start position:0%
 
well<00:00:00.480><c> hello</c><00:00:00.640><c> there</c>

00:00:02.070 --> 00:00:02.080 align:start position:0%
well hello there
 

00:00:02.080 --> 00:00:04.310 align:start position:0%
well hello there
this<00:00:02.240><c> is</c>

00:00:04.310 --> 00:00:04.320 align:start position:0%
this is
 
"""  # noqa: W293


def cues(*lines: str) -> str:
    times = "00:00:01.000 --> 00:00:02.000"
    return "WEBVTT\n\n" + "\n\n".join(f"{times}\n{line}" for line in lines)


@pytest.mark.parametrize(
    ("webvtt", "words"),
    [
        ("", ""),
        ("no subtitles at all\n\nof any kind", ""),
        (cues("one", "two"), "one two"),
        (cues("one", "two").replace("\n", "\r\n"), "one two"),
        (cues("one", "two").replace("\n", "\r"), "one two"),
        ("\ufeff" + cues("one"), "one"),
        (cues("over two\nlines"), "over two lines"),
        (cues("<v Ada>Hello</v> <i>you</i>"), "Hello you"),
        (cues("R&amp;B, 1 &lt; 2"), "R&B, 1 < 2"),
        (cues("3 < 4 and so on"), "3 < 4 and so on"),
        (cues("no", "no", "yes", "no"), "no yes"),
        (cues("far", "a", "b", "c", "far"), "far a b c far"),
        ("WEBVTT\n\nNOTE by me\nand more\n\nSTYLE\n::cue {}\n\n1\n00:01 --> 00:02\nsaid", "said"),
        ("1\n00:00:01,000 --> 00:00:02,000\nsaid", "said"),  # SubRip
        (ROLLING, "well hello there this is"),
    ],
)
def test_what_is_said(webvtt: str, words: str) -> None:
    assert words_of(webvtt, most=1000) == words


def test_no_more_is_kept_than_wanted() -> None:
    assert words_of(cues("one", "two", "three"), most=6) == "one tw"


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        (["fox"], "the quick fox jumps"),
        (["FOX"], "the quick fox jumps"),
        (["quick fox"], "the quick fox jumps"),
        (["cat"], ""),
        (["title"], ""),  # is beside it
        (["title", "fox"], "the quick fox jumps"),
        (["(", "*"], ""),
        ([], ""),
    ],
)
def test_what_is_quoted(words: list[str], quoted: str) -> None:
    assert quote(words, beside="A title\nof foes", said="the quick fox jumps") == quoted


def test_a_quote_is_cut_between_words() -> None:
    said = f"{'before ' * 30}here{' after' * 30}"

    quoted = quote(["here"], beside="", said=said)

    assert quoted.startswith("… before ")
    assert " before here after " in quoted
    assert quoted.endswith(" after …")
    assert len(quoted) < 2 * AROUND + 10


def test_a_text_without_spaces_is_cut_all_the_same() -> None:
    quoted = quote(["東京"], beside="", said=f"{'前' * 100}東京{'後' * 100}")

    assert quoted == f"… {'前' * AROUND}東京{'後' * AROUND} …"
