"""Cookies: which texts hold them, what is refused with its place, and which site they are of."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from downloads.rules.cookie_texts import (
    MAX_TEXT_BYTES,
    InvalidCookies,
    PastedCookies,
    read_cookies,
)
from downloads.rules.cookies import (
    MAX_COOKIE_BYTES,
    MAX_COOKIES,
    Cookie,
    host_of,
    hosts_serving,
)
from downloads.rules.links import InvalidLink

NOW = 1_800_000_000
LATER = NOW + 1000
HEADER = "# Netscape HTTP Cookie File"
LINE = f".example.org\tTRUE\t/\tTRUE\t{LATER}\tsession\tsecret"
COOKIE = Cookie(
    domain="example.org", path="/", name="session", value="secret", secure=True, expires=LATER
)
ENTRY: dict[str, Any] = {
    "domain": ".example.org",
    "expirationDate": LATER + 0.75,
    "hostOnly": False,
    "httpOnly": False,
    "name": "session",
    "path": "/",
    "sameSite": "no_restriction",
    "secure": True,
    "session": False,
    "storeId": "0",
    "value": "secret",
}


def read(text: str, host: str = "example.org") -> PastedCookies:
    return read_cookies(text, host=host, now=NOW)


def refusal(text: str, host: str = "example.org") -> str:
    with pytest.raises(InvalidCookies) as refused:
        read(text, host)
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n\n{LINE}\n",
        LINE,
        f"\ufeff{HEADER}\n{LINE}",
        f"{HEADER}\r\n{LINE}\r\n",
        f"{HEADER}\r{LINE}\r",
        LINE.replace("\t", " "),
        LINE.replace("\t", "    "),
        LINE.replace("TRUE", "true"),
        f"# https://curl.se/docs/http-cookies.html\n{LINE}\n# end",
        json.dumps([ENTRY]),
        json.dumps({"cookies": [ENTRY]}),
        json.dumps({"url": "https://example.org", "version": 2, "cookies": [ENTRY]}, indent=2),
        json.dumps([{**ENTRY, "expirationDate": LATER}]),
        json.dumps([{**ENTRY, "expirationDate": str(LATER)}]),
        json.dumps([{**ENTRY, "expirationDate": LATER * 1000}]),
        json.dumps([{key: value for key, value in ENTRY.items() if key != "hostOnly"}]),
        # Playwright's, and Cookie-Editor's.
        json.dumps([{"name": "session", "value": "secret", "domain": ".example.org", "path": "/",
                     "expires": LATER, "httpOnly": False, "secure": True, "sameSite": "Lax"}]),
        json.dumps([{**ENTRY, "sameSite": None, "storeId": None, "session": None}]),
    ],
)  # fmt: skip
def test_each_form_in_which_browsers_give_cookies_is_read(text: str) -> None:
    assert read(text).cookies == (COOKIE,)


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        (f"#HttpOnly_{LINE}", {"http_only": True}),
        (LINE.replace(str(LATER), "0"), {"expires": None}),
        (LINE.replace(str(LATER), ""), {"expires": None}),
        (LINE.replace(str(LATER), "-1"), {"expires": None}),
        (LINE.replace(".example.org\tTRUE", "example.org\tFALSE"), {"host_only": True}),
        (LINE.replace("secret", ""), {"value": ""}),
        (LINE.removesuffix("\tsecret"), {"value": ""}),
        (LINE.replace("TRUE\t1", "FALSE\t1"), {"secure": False}),
        (LINE.replace("\t", " ").replace("secret", "a b"), {"value": "a b"}),
        (LINE.replace("secret", 'x="y",z'), {"value": 'x="y",z'}),
        (json.dumps([{**ENTRY, "httpOnly": True}]), {"http_only": True}),
        (json.dumps([{**ENTRY, "session": True}]), {"expires": None}),
        (json.dumps([{**ENTRY, "expirationDate": None}]), {"expires": None}),
        (json.dumps([{**ENTRY, "domain": "example.org", "hostOnly": True}]), {"host_only": True}),
        (json.dumps([{**ENTRY, "domain": "WWW.Example.org"}]), {"domain": "www.example.org"}),
    ],
)
def test_what_a_cookie_says_of_itself_is_kept(line: str, changed: dict[str, Any]) -> None:
    (found,) = read(line).cookies

    assert asdict(found) == {**asdict(COOKIE), **changed}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Paste the cookies, or choose a file."),
        (" \n\ufeff\n", "Line 2: a cookie has 7 fields, and here are 1."),
        (HEADER, "There is no cookie in this text."),
        ("[]", "There is no cookie in this text."),
        (f"{LINE}\nhello", "Line 2: a cookie has 7 fields, and here are 1."),
        (f"{HEADER}\n\n{LINE}\na\tb", "Line 4: a cookie has 7 fields, and here are 2."),
        (f"\n\n{LINE.replace('TRUE', 'yes')}",
         "Line 3: the second and the fourth field must be TRUE or FALSE."),
        (LINE.replace(str(LATER), "soon"), "Line 1: the fifth field is not a time in seconds."),
        (LINE.replace("org", "or/g"), "Line 1: the domain is not one."),
        (LINE.replace("\t/\t", "\tx\t"),
         "Line 1: the path must begin with / and have at most 1,024 characters."),
        (LINE.replace("secret", "a;b"),
         "Line 1: there is a control character or a semicolon in it."),
        (LINE.replace("secret", "x" * MAX_COOKIE_BYTES),
         "Line 1: name and value together have more than 4,096 bytes."),
        ("[{]", "Line 1: this is not JSON (Expecting property name enclosed in double quotes)."),
        ("[\n\n", "Line 3: this is not JSON (Expecting value)."),
        ('{"a": 1}', "This JSON has no list of cookies."),
        ("[" * 100_000, "This is not the JSON of cookies."),
        ("[1]", "Cookie 1: it is not an object."),
        (json.dumps([ENTRY, {**ENTRY, "name": 7}]), "Cookie 2: its name is not a text."),
        (json.dumps([{**ENTRY, "value": "a\nb"}]),
         "Cookie 1: there is a control character or a semicolon in it."),
        (json.dumps([{"name": "x", "value": "y"}]), "Cookie 1: it has no domain."),
        (json.dumps([{**ENTRY, "expirationDate": "soon"}]),
         "Cookie 1: its expiry is not a time in seconds."),
        (json.dumps([{**ENTRY, "expirationDate": True}]),
         "Cookie 1: its expiry is not a time in seconds."),
        ("x" * (MAX_TEXT_BYTES + 1), "The text has more than 256 KiB."),
    ],
)  # fmt: skip
def test_a_text_is_refused_with_the_place_and_the_reason(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


def test_no_refusal_repeats_a_value() -> None:
    value = "canary-of-a-cookie"
    texts = [
        LINE.replace("secret", f"{value};"),
        LINE.replace("TRUE", value),
        LINE.replace(str(LATER), value),
        f"{value}\t{value}",
        json.dumps([{**ENTRY, "value": f"{value}\x00"}]),
        json.dumps([{**ENTRY, "domain": f"{value}/"}]),
        f'[{{"value": "{value}"',
        LINE.replace("example.org", "example.com").replace("secret", value),
    ]

    assert value not in "".join(map(refusal, texts))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*ENTRY, "cookies"]), inner),
)
fields = st.sampled_from([*LINE.split("\t"), "", "\ud800", "ü", "\0", ";", "1e999", "nan", "-1"])


@given(
    st.text()
    | st.lists(fields, max_size=9).map("\t".join)
    | anything.map(json.dumps)
    | st.lists(st.fixed_dictionaries(dict.fromkeys(ENTRY, fields))).map(json.dumps)
)
@example(json.dumps([{**ENTRY, "name": "\ud800", "path": "/\ud800"}]))
@example(json.dumps([{**ENTRY, "expirationDate": 10**400}]))
@example("[" + "9" * 5000 + "]")
def test_any_text_gives_cookies_or_a_sentence(text: str) -> None:
    try:
        found = read(text)
    except InvalidCookies as refused:
        assert str(refused).endswith(".")
    else:
        assert all(Cookie.from_mapping(asdict(each)) == each for each in found.cookies)
        assert json.dumps([asdict(each) for each in found.cookies], ensure_ascii=False).isascii()


@pytest.mark.parametrize("domain", [":" * 200_000 + "x", "a." * 100_000 + "!", "-" * 200_000])
def test_a_long_domain_is_refused_at_once(domain: str) -> None:
    assert refusal(LINE.replace(".example.org", domain)) == "Line 1: the domain is not one."


def test_more_cookies_than_a_site_has_are_refused() -> None:
    lines = [LINE.replace("session", f"session{number}") for number in range(MAX_COOKIES + 1)]

    assert refusal("\n".join(lines)) == "501 cookies are of example.org. At most 500 are kept."
    assert len(read("\n".join(lines[:-1])).cookies) == MAX_COOKIES


def test_what_is_of_no_use_is_left_out_and_said() -> None:
    lines = [
        LINE,
        LINE.replace(str(LATER), str(NOW)),
        LINE.replace("session", "old").replace(str(LATER), "12"),
        LINE.replace("secret", "gehört"),
        LINE.replace("example.org", "tracker.example"),
        LINE.replace("example.org", "example.com"),
        LINE.replace(".example.org", "org"),
    ]

    found = read("\n".join(lines))

    assert found.cookies == (COOKIE,)
    assert found.left_out == (
        "2 have expired. No request can carry 1 of them."
        " Those of example.com, org, tracker.example are of another site."
    )


def test_the_last_of_several_with_one_name_is_kept() -> None:
    found = read(f"{LINE}\n{LINE.replace('secret', 'newer')}")

    assert [cookie.value for cookie in found.cookies] == ["newer"]


def test_cookies_of_other_sites_alone_are_refused_with_their_domains() -> None:
    lines = [LINE.replace("example.org", f"{name}.example") for name in "abcde"]

    assert refusal("\n".join(lines)) == (
        "No cookie is of example.org: they are of a.example, b.example, c.example and 2 more."
    )


def test_cookies_that_have_all_expired_are_refused() -> None:
    assert refusal(LINE.replace(str(LATER), "12")) == (
        "All cookies of example.org have expired, or have no name. Sign in there, and export anew."
    )


@pytest.mark.parametrize(
    ("domain", "host", "does"),
    [
        ("example.org", "example.org", True),
        ("example.org", "www.example.org", True),
        ("login.example.org", "example.org", True),
        ("login.example.org", "media.example.org", True),
        ("badexample.org", "example.org", False),
        ("example.org.evil.example", "example.org", False),
        ("org", "example.org", False),
        ("example.co.uk", "www.example.co.uk", True),
        ("co.uk", "example.co.uk", False),
        ("other.co.uk", "example.co.uk", False),
        ("com.au", "example.com.au", False),
        ("localhost", "localhost", True),
        ("other.localhost", "localhost", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.1", "127.0.0.1", False),
        ("1", "127.0.0.1", False),
        ("::1", "::1", True),
    ],
)
def test_a_cookie_belongs_to_a_site_and_to_nothing_above_it(
    domain: str, host: str, does: bool
) -> None:
    assert Cookie(domain=domain, path="/", name="a", value="b").belongs_to(host) is does


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://example.org/watch", ["example.org"]),
        ("https://www.example.org:8443/watch", ["example.org"]),
        ("https://m.video.example.co.uk/", ["m.video.example.co.uk", "video.example.co.uk",
                                            "example.co.uk"]),
        ("http://127.0.0.1:8000/", ["127.0.0.1"]),
        ("http://[::1]:8000/", ["::1"]),
        ("http://localhost:8000/", ["localhost"]),
        ("https://youtu.be/x", ["youtube.com"]),
        ("https://music.youtube.com/x", ["music.youtube.com", "youtube.com"]),
        ("https://example.org./", ["example.org"]),
    ],
)  # fmt: skip
def test_a_download_is_served_by_the_cookies_of_its_host_and_what_is_above(
    url: str, hosts: list[str]
) -> None:
    assert hosts_serving(url) == hosts


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.org", "example.org"),
        ("WWW.Example.ORG", "example.org"),
        ("https://www.example.org/a?b", "example.org"),
        ("example.org:8443", "example.org"),
        ("::1", "::1"),
        ("[::1]:80", "::1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("twitter.com", "x.com"),
    ],
)
def test_a_site_has_one_name_however_it_is_typed(text: str, host: str) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize("text", ["", "a b", "user@example.org", "../etc", "http://", "a\0b"])
def test_what_is_not_a_site_is_refused(text: str) -> None:
    with pytest.raises(InvalidLink):
        host_of(text)


@pytest.mark.parametrize(
    "change",
    [
        {"value": None},
        {"value": 1},
        {"value": "a\r\nEvil: 1"},
        {"secure": "yes"},
        {"expires": 1.5},
        {"expires": True},
        {"domain": "a b"},
        {"unknown": 1},
    ],
)
def test_a_cookie_that_a_child_sends_is_judged_like_one_that_is_pasted(
    change: dict[str, Any],
) -> None:
    with pytest.raises((TypeError, ValueError)):
        Cookie.from_mapping({**asdict(COOKIE), **change})


def test_a_cookie_shows_no_value() -> None:
    assert "secret" not in f"{COOKIE!r} {COOKIE} {COOKIE.without_value()}"
