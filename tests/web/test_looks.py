"""How states look: each has its glyph and word, and colours that can be read."""

import re
from pathlib import Path

import pytest

from downloads.rules.states import State
from downloads.templatetags.downloads import badge
from downloads.web.format import LOOKS

CSS = Path(__file__).resolve().parents[2] / "downloads/static/downloads/vnsite.css"
TOKEN = r"--{}: light-dark\((#\w+), (#\w+)\)"
READABLE = 4.5  # WCAG 1.4.3, text
VISIBLE = 3.0  # WCAG 1.4.11, controls and focus


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def pair_of(token: str, rule: str) -> tuple[str, str]:
    """The colour of a token in a light and in a dark page."""
    found = re.search(TOKEN.format(token), rule)
    assert found, (token, rule)
    return found[1], found[2]


def rule_of(selector: str) -> str:
    found = re.search(rf"^{re.escape(selector)}[,\s][^}}]*}}", CSS.read_text(), re.MULTILINE)
    assert found, selector
    return found[0]


@pytest.mark.parametrize("state", State)
def test_a_state_is_a_glyph_a_word_and_a_readable_colour(state: State) -> None:
    drawn = badge(state)
    rule = rule_of(f".state-{state}")

    assert f"#{LOOKS[state].icon}" in drawn
    assert str(LOOKS[state].label) in drawn
    assert f"state-{state}" in drawn
    for ink, tint in zip(pair_of("ink", rule), pair_of("tint", rule), strict=True):
        assert contrast(ink, tint) >= READABLE


def test_no_two_states_share_a_glyph_or_a_word() -> None:
    for looks in ({str(look.label) for look in LOOKS.values()}, {x.icon for x in LOOKS.values()}):
        assert len(looks) == len(State)


@pytest.mark.parametrize(
    ("token", "least"),
    [
        ("text", READABLE),
        ("muted", READABLE),
        ("link", READABLE),
        ("control", VISIBLE),
        ("ring", VISIBLE),
    ],
)
def test_what_is_on_a_page_can_be_seen(token: str, least: float) -> None:
    root = rule_of(":root")

    for back in ("page", "card"):
        for front, behind in zip(pair_of(token, root), pair_of(back, root), strict=True):
            assert contrast(front, behind) >= least
