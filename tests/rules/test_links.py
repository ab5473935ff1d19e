from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.links import (
    MAX_URL_LENGTH,
    SENTENCES,
    InvalidLink,
    LinkFault,
    clean_url,
)


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("https://example.com/watch?v=1", "https://example.com/watch?v=1"),
        ("  https://example.com/ \r\n", "https://example.com/"),
        ("\u00a0https://example.com/\u3000", "https://example.com/"),
        ("HTTPS://Example.COM/Path?Q=A", "https://example.com/Path?Q=A"),
        ("http://example.com", "http://example.com"),
        ("http://example.com?a=b", "http://example.com?a=b"),
        ("http://example.com/a?b?c/d", "http://example.com/a?b?c/d"),
        ("http://example.com:8080/x", "http://example.com:8080/x"),
        ("http://example.com./x", "http://example.com./x"),
        ("http://localhost:8000/v.mp4", "http://localhost:8000/v.mp4"),
        ("http://some_host.example/x", "http://some_host.example/x"),
        ("http://8.8.8.8/x", "http://8.8.8.8/x"),
        ("http://[2001:DB8:0::1]:81/x", "http://[2001:db8::1]:81/x"),
        ("https://Bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("https://faß.example/x", "https://xn--fa-hia.example/x"),
        ("https://例え。テスト/x", "https://xn--r8jz45g.xn--zckzah/x"),
        ("https://example.com/#__youtubedl_smuggle=%7B%7D", "https://example.com/"),
        ("https://example.com#top", "https://example.com"),
        ("https://example.com/a?b#c#d", "https://example.com/a?b"),
    ],
)
def test_a_link_has_one_normal_form(typed: str, normal: str) -> None:
    assert clean_url(typed) == normal


@pytest.mark.parametrize(
    "path",
    [
        "/%7euser/%7Euser/../x/./y//z",
        "/a,b;c=d:e@f!g$h'(i)*+",
        "/?next=https://other.example/?a=b&b=%23",
        "/ü/日本/👨‍👩‍👧/می‌خواهم",  # joiners in emoji and in a word
        '/<>"{}|^`',
        "/-x",
        "/?",
        "?",
    ],
)
def test_path_and_query_are_kept_as_they_were_typed(path: str) -> None:
    assert clean_url(f"https://example.com{path}") == f"https://example.com{path}"


@pytest.mark.parametrize(
    ("code", "typed"),
    [
        (LinkFault.EMPTY, ""),
        (LinkFault.EMPTY, " \n\t "),
        (LinkFault.NOT_HTTP, "example.com/x"),
        (LinkFault.NOT_HTTP, "//example.com/x"),
        (LinkFault.NOT_HTTP, "http:example.com"),
        (LinkFault.NOT_HTTP, "http:/example.com"),
        (LinkFault.NOT_HTTP, "httpx://example.com"),
        (LinkFault.NOT_HTTP, "ftp://example.com/x"),
        (LinkFault.NOT_HTTP, "file:///etc/passwd"),
        (LinkFault.NOT_HTTP, "data:text/plain,x"),
        (LinkFault.NOT_HTTP, "rtmp://example.com/x"),
        (LinkFault.NOT_HTTP, "gopher://example.com/x"),
        (LinkFault.NOT_HTTP, "javascript:alert(1)"),
        (LinkFault.NOT_HTTP, "ytsearch:cats"),
        (LinkFault.NOT_HTTP, ":ytfav"),
        (LinkFault.NOT_HTTP, "--exec=id"),
        (LinkFault.NOT_HTTP, "-https://example.com/"),
        (LinkFault.NOT_HTTP, "view-source:https://example.com/"),
        (LinkFault.NOT_HTTP, "ｈttp://example.com/"),  # noqa: RUF001 - a full-width h
        (LinkFault.NO_HOST, "http://"),
        (LinkFault.NO_HOST, "https:///path"),
        (LinkFault.NO_HOST, "https://?query"),
        (LinkFault.NO_HOST, "https://#fragment"),
        (LinkFault.NO_HOST, "http://:80/"),
        (LinkFault.USER_INFO, "http://user@example.com/"),
        (LinkFault.USER_INFO, "http://user:secret@example.com/"),
        (LinkFault.USER_INFO, "http://@example.com/"),
        (LinkFault.USER_INFO, "http://good.example@evil.example/"),
        (LinkFault.CONTROL_CHARACTERS, "\ufeffhttps://example.com/"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/\x00"),
        (LinkFault.CONTROL_CHARACTERS, "https://exam\nple.com/"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/\tx"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/\x1b[31m"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/\x7f"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/\x85x"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/\u202egpj.exe"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/\u2066x"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/\u200bx"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/\ud800"),
        (LinkFault.CONTROL_CHARACTERS, "https://example.com/#\x00"),
        (LinkFault.WHITE_SPACE, "https://example.com/a b"),
        (LinkFault.WHITE_SPACE, "https://example.com/a\u00a0b"),
        (LinkFault.WHITE_SPACE, "https://example.com/a\u2028b"),
        (LinkFault.BACKSLASH, "https://example.com\\@evil.example/"),
        (LinkFault.BACKSLASH, "https:\\\\example.com/"),
        (LinkFault.INVALID_HOST, "http://exa%6dple.com/"),
        (LinkFault.INVALID_HOST, "http://exam!ple.com/"),
        (LinkFault.INVALID_HOST, "http://-example.com/"),
        (LinkFault.INVALID_HOST, "http://example-.com/"),
        (LinkFault.INVALID_HOST, "http://example..com/"),
        (LinkFault.INVALID_HOST, "http://.example.com/"),
        (LinkFault.INVALID_HOST, "http://./"),
        (LinkFault.INVALID_HOST, f"http://{'a' * 64}.example/"),
        (LinkFault.INVALID_HOST, f"http://{'a.' * 127}example/"),
        (LinkFault.INVALID_HOST, f"http://{'ü.' * 130}example/"),
        (LinkFault.INVALID_HOST, "http://a\u2044b.example/"),
        (LinkFault.INVALID_HOST, "http://a\u200db.example/"),
        (LinkFault.INVALID_HOST, "http://2130706433/"),
        (LinkFault.INVALID_HOST, "http://0x7f000001/"),
        (LinkFault.INVALID_HOST, "http://0x7f.1/"),
        (LinkFault.INVALID_HOST, "http://127.1/"),
        (LinkFault.INVALID_HOST, "http://0177.0.0.1/"),
        (LinkFault.INVALID_HOST, "http://127.0.0.256/"),
        (LinkFault.INVALID_HOST, "http://127.0.0.1./"),
        (LinkFault.INVALID_HOST, "http://[::1/"),
        (LinkFault.INVALID_HOST, "http://[]/"),
        (LinkFault.INVALID_HOST, "http://[::1%25eth0]/"),
        (LinkFault.INVALID_HOST, "http://[::1%eth0]/"),
        (LinkFault.INVALID_HOST, "http://[::1]x/"),
        (LinkFault.INVALID_HOST, "http://[v1.x]/"),
        (LinkFault.INVALID_HOST, "http://a[::1]/"),
        (LinkFault.INVALID_PORT, "http://example.com:/"),
        (LinkFault.INVALID_PORT, "http://example.com:0/"),
        (LinkFault.INVALID_PORT, "http://example.com:65536/"),
        (LinkFault.INVALID_PORT, "http://example.com:-1/"),
        (LinkFault.INVALID_PORT, "http://example.com:http/"),
        (LinkFault.INVALID_PORT, "http://example.com:80:80/"),
        (LinkFault.INVALID_PORT, "http://example.com:²/"),
        (LinkFault.INVALID_PORT, f"http://example.com:{'9' * 1500}/"),
        (LinkFault.NO_HOST, "http://::1/"),
    ],
)
def test_what_is_no_link_is_refused_for_its_reason(code: LinkFault, typed: str) -> None:
    with pytest.raises(InvalidLink) as refusal:
        clean_url(typed)

    assert refusal.value.code is code
    assert str(refusal.value) == SENTENCES[code]


def test_a_refusal_is_a_value_error_with_a_sentence_for_every_code() -> None:
    assert issubclass(InvalidLink, ValueError)
    assert set(SENTENCES) == set(LinkFault)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_a_link_of_the_greatest_length_is_taken_and_one_character_more_refused() -> None:
    longest = "https://example.com/".ljust(MAX_URL_LENGTH, "x")

    assert clean_url(f" {longest} ") == longest
    with pytest.raises(InvalidLink) as refusal:
        clean_url(longest + "x")
    assert refusal.value.code is LinkFault.TOO_LONG


def test_a_link_that_grows_over_the_greatest_length_is_refused() -> None:
    typed = "https://bücher.example/".ljust(MAX_URL_LENGTH, "x")

    with pytest.raises(InvalidLink) as refusal:
        clean_url(typed)

    assert refusal.value.code is LinkFault.TOO_LONG


labels = st.from_regex(r"[a-zA-Z]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?", fullmatch=True)
paths = st.text(alphabet=ascii_letters + digits + "/%?=&,;:@!$'()*+~._-", max_size=200)
links = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["http", "https", "HTTP", "hTTps"]),
    st.lists(labels, min_size=1, max_size=4).map(".".join),
    paths.map("/{}".format) | st.just(""),
)


@given(links)
def test_the_normal_form_is_its_own_normal_form(link: str) -> None:
    normal = clean_url(link)

    assert clean_url(normal) == normal
    assert normal.endswith(link.split("://", 1)[1].lstrip(ascii_letters + digits + ".-"))


@given(st.text() | st.text().map("http://{}".format) | st.text().map("https://{}/x".format))
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    try:
        url = clean_url(text)
    except InvalidLink:
        return
    assert clean_url(url) == url
    assert url.startswith(("http://", "https://"))
    assert "#" not in url
