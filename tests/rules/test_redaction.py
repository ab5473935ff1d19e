"""What must not be told is taken out, and nothing else."""

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.redaction import (
    MAX_LINE_LENGTH,
    escape,
    is_secret,
    redact,
    safe_line,
    safe_text,
)

CANARY = "cAnArY7"

SECRETS = [
    f"https://user:{CANARY}@example.org/watch",
    f"https://{CANARY}@example.org/watch",
    f"//user:pa@{CANARY}@example.org",
    f"proxy socks5://user:{CANARY}@10.0.0.1:1080 refused",
    f"https://example.org/v?token={CANARY}",
    f"https://example.org/v?a=1&access_token={CANARY}&b=2",
    f"https://example.org/v?a=1;token={CANARY}",
    f"https://example.org/v#id_token={CANARY}&x=1",
    f"https://example.org/v?Key-Pair-Id={CANARY}&Policy={CANARY}&Signature={CANARY}",
    f"https://example.org/v?X-Amz-Credential={CANARY}%2F20261122&X-Amz-Security-Token={CANARY}",
    f"https://example.org/v?X-Goog-Whatever={CANARY}",
    f"https://example.org/v?hdnts=exp=1~acl=/*~hmac={CANARY}",
    f"https://example.org/v;jsessionid={CANARY}",
    f"https://example.org/hls/token={CANARY}/index.m3u8",
    f"https://example.org/v?auth[key]={CANARY}",
    f"https://example.org/v?sessionId={CANARY}",
    f"https://example.org/?next=https://other.example/?sig={CANARY}",
    f"https://example.org/?u=https%3A%2F%2Fu%3A{CANARY}%40h.example%2F%3Fkey%3D{CANARY}%26b%3D1",
    f"https://example.org/?u=https%253A%252F%252Fh%252F%253Fkey%253D{CANARY}",
    f"Authorization: Bearer {CANARY}",
    f"authorization: Basic {CANARY}==",
    f"Proxy-Authorization={CANARY}",
    f"Cookie: a={CANARY}; b={CANARY}",
    f"Set-Cookie: sid={CANARY}; Path=/; HttpOnly",
    f"{{'Cookie': 'sid={CANARY}; b=1', 'Accept': '*/*'}}",
    f"[('Set-Cookie', 'a={CANARY}')]",
    f'{{"access_token": "{CANARY}", "otp": {CANARY}}}',
    f'{{\\"api_key\\": \\"{CANARY}\\"}}',
    f"the server said: password: {CANARY}",
    f'my_secret: "{CANARY} and more"',
    f"sent Bearer {CANARY}{CANARY}",
    f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
    f"vnsite_{CANARY}{CANARY}{CANARY}",
    f"No answer for /feeds/{(CANARY * 9)[:32]}.xml: it is down",
    f"/feeds/{(CANARY * 9)[:32]}/0123456789ab/clip.mp4",
]

HARMLESS = [
    "https://example.org/watch?v=dQw4w9WgXcQ&list=PL1&t=10s",
    "https://example.org/a@b?x=1",
    "[generic] page: Downloading webpage",
    "Unable to download webpage: HTTP Error 403: Forbidden",
    "the password is wrong",
    "https://example.org/?author=a&keyword=b&monkey=c&signal=d&passage=e&authentic=f",
    "This video is only available for registered users. Use --cookies or --username",
    "Basic authentication is needed",
    "mail me@example.org",
    "12345 bytes kept for the next attempt",
    "",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_taken_out(text: str) -> None:
    told_text = redact(text)

    assert CANARY not in told_text
    assert "[redacted]" in told_text
    assert redact(told_text) == told_text


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_what_is_around_a_secret_stays() -> None:
    text = "[x] Bad answer of https://u:p@h.example:8443/a/b?x=1&token=t&y=2 (404), again in 2 s"

    assert redact(text) == (
        "[x] Bad answer of https://[redacted]@h.example:8443/a/b?x=1&token=[redacted]&y=2 (404),"
        " again in 2 s"
    )


@pytest.mark.parametrize(
    "name", ["token", "apiKey", "X-Api-Key", "SIG", "oauth_verifier", "PHPSESSID"]
)
def test_a_name_that_says_so_is_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["v", "author", "monkey", "keyword", "t", "signal", "id", ""])
def test_another_name_is_not(name: str) -> None:
    assert not is_secret(name)


VALUES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40)
NAMES = st.sampled_from(["token", "key", "sig", "password", "access_token", "X-Amz-Signature"])


@given(name=NAMES, value=VALUES, before=st.text(max_size=20), after=st.text(max_size=20))
def test_the_value_of_a_secret_name_is_told_nowhere(
    name: str, value: str, before: str, after: str
) -> None:
    secret = f"QQ{value}QQ"
    url = f"https://example.org/?a=b&{name}={secret}&c=d"

    assert secret not in redact(f"{before} {url} {after}")
    assert secret not in redact(f"{before} https://example.org/?u={quote(url, safe='')} {after}")


@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redact(text)

    assert redact(once) == once


@given(st.text(st.characters()))
def test_nothing_steers_a_terminal(text: str) -> None:
    categories = {unicodedata.category(character) for character in escape(text)}

    assert categories.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})


def test_what_is_seen_stays_as_it_is() -> None:
    text = "Ein “Titel”, 日本語 🎬 non\u00a0breaking"

    assert escape(text) == text


def test_an_escaped_character_can_be_told() -> None:
    assert escape("a\x1b[31m\r\nb\u202ec\ud800\x85") == r"a\x1b[31m\r\nb\u202ec\ud800\x85"


@given(st.text(st.characters(), max_size=3000))
def test_a_line_is_one_line_and_not_long(text: str) -> None:
    made = safe_line(text)

    assert len(made) <= MAX_LINE_LENGTH
    assert len(made.splitlines()) <= 1


def test_a_secret_at_the_place_of_the_cut_is_not_told_by_half() -> None:
    padding = "x" * (MAX_LINE_LENGTH - 20)

    assert CANARY not in safe_line(f"{padding} https://user:{CANARY}{'y' * 50}@example.org/")


def test_an_error_keeps_its_lines() -> None:
    assert safe_text("one\ntwo\x1b\ttoken=abc") == "one\ntwo\\x1b\\ttoken=[redacted]"


@pytest.mark.parametrize(
    "piece", ["//@", "token=", '"a":"', "%2F%2F", "x-", "cookie ", "a_", "basic a", "=a", "eyJ"]
)
def test_no_text_takes_long(piece: str) -> None:
    """Of a pattern that tries every end for every beginning, this would take hours."""
    redact(piece * 20_000)
