"""Links are found in whatever text people have them in."""

# ruff: noqa: RUF001 - the signs that look like others are the matter here

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.links_in_text import find_links

LINK = "https://example.org/watch?v=a_b-"
OTHER = "https://example.org/wiki/A_(b)"


def urls_in(text: str) -> list[str]:
    return [link.url for link in find_links(text).links]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        " \r\n\t{}\u00a0\u3000",
        "Watch this: {} via App",
        "Watch this ({}).",
        "<{}>",
        "<URL:{}>",
        "({})",
        "[{}]",
        "{{{}}}",
        "'{}'",
        '"{}"',
        "‘{}’",
        "“{}”",
        "„{}“",
        "«{}»",
        "‹{}›",
        "「{}」",
        "《{}》",
        "`{}`",
        "**{}**",
        "[title]({})",
        '[title]({} "tooltip")',
        "![title]({}).",
        "[1]: {}",
        "[{0}]({0})",
        '<a href="{0}">{0}</a>',
        "<iframe src='{}'></iframe>",
        "- {}",
        "1) {}",
        "> {}",
        "{}.",
        "{},",
        "{})",
        "{}!",
        "{}?!",
        "{};",
        "{}:",
        "{}…",
        "{}).",
        "看视频{}，复制此链接",
        "看{}。",
        "Titel: schön\n\n{}\n\nGesendet von unterwegs",
        "Link:{}",
        "view-source:{}",
        "{0} {0}",
    ],
)
@pytest.mark.parametrize("link", [LINK, OTHER])
def test_a_link_is_found_without_the_signs_around_it(text: str, link: str) -> None:
    assert urls_in(text.format(link)) == [link]


@pytest.mark.parametrize(
    "sign", "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u2060\u2066\u2069\ufeff"
)
def test_invisible_signs_around_a_link_are_not_part_of_it(sign: str) -> None:
    assert urls_in(f"{sign}{LINK}{sign}") == [LINK]
    assert urls_in(f"{LINK}{sign} {sign}{OTHER}.{sign}") == [LINK, OTHER]


@pytest.mark.parametrize("sign", "\u00ad\u200b\u200e\u200f\u2060\ufeff")
def test_hints_for_line_breaks_in_a_link_are_not_part_of_it(sign: str) -> None:
    assert urls_in(LINK.replace("/", f"/{sign}").replace("?", f"{sign}?")) == [LINK]
    assert urls_in(f"{LINK}{sign}{OTHER}") == [LINK, OTHER]


@pytest.mark.parametrize(
    "link",
    [
        "https://example.org/a,b;c=d:e@f!g$h'(i)*+j",
        "https://example.org/?q=1,2,https",
        "https://web.archive.org/web/2020/https://example.org/a",
        "https://example.org/?next=https://other.example/?a=b&b=%23",
        "https://example.org/ü/日本",
        "https://例え。テスト/x",
        "https://example.org/a|b^c{d}",
        "https://example.org/abc_",
        "https://example.org/abc-",
        "https://example.org/[a]",
        "https://[2001:db8::1]/x",
        "HTTPS://example.org/x",
    ],
)
def test_signs_inside_a_link_belong_to_it(link: str) -> None:
    assert urls_in(link) == [link]
    assert urls_in(f"see ({link}).") == [link]


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("youtube.com/watch?v=1", "https://youtube.com/watch?v=1"),
        ("www.youtube.com", "https://www.youtube.com"),
        ("m.example.co.uk:443/a", "https://m.example.co.uk:443/a"),
        ("nas.local:8080/v.mp4", "http://nas.local:8080/v.mp4"),
        ("192.168.1.5/v.mp4", "https://192.168.1.5/v.mp4"),
        ("localhost:8000/v.mp4", "http://localhost:8000/v.mp4"),
        ("bücher.example/x", "https://bücher.example/x"),
        ("//player.vimeo.com/video/1", "https://player.vimeo.com/video/1"),
    ],
)
@pytest.mark.parametrize("text", ["{}", "see {}.", "[title]({})", "“{}”"])
def test_a_scheme_may_be_missing(text: str, typed: str, url: str) -> None:
    (link,) = find_links(text.format(typed)).links

    assert (link.typed, link.url) == (typed, url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n , \n",
        "foo",
        "example.org",
        "me@example.org/x",
        "and/or w/o e.g. 3.5/2",
        "-o/etc/passwd",
        "Note: no link",
    ],
)
def test_words_are_not_links(text: str) -> None:
    assert urls_in(text) == []


@pytest.mark.parametrize(
    "typed",
    [
        "ftp://example.org/a",
        "htps://example.org/a",
        "https:/example.org/a",
        "https:example.org/a",
        "https:\\\\example.org\\a",
        "ytsearch:cats",
        "ytsearch5:https://example.org/a",
        "blob:https://example.org/a",
        "data:text/html,a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "magnet:?xt=1",
    ],
)
def test_what_looks_meant_as_a_link_is_not_passed_over(typed: str) -> None:
    (link,) = find_links(f"first line\nsee {typed} and").links

    assert (link.typed, link.url, link.line) == (typed, typed, 2)


def test_what_is_left_over_is_named() -> None:
    found = find_links(f"Watch this: {LINK} via App\n\n* {OTHER},\n- <second line>\n--\n")

    assert found.left_over == ("Watch this:", "via App", "second line")


def test_links_are_found_once_and_in_order_with_their_lines() -> None:
    found = find_links(f"{OTHER}\r\n\r\n{LINK},{OTHER} {LINK}2")

    assert [(link.typed, link.line) for link in found.links] == [
        (OTHER, 1),
        (LINK, 3),
        (f"{LINK}2", 3),
    ]


paths = st.from_regex(r"[a-z0-9/%?=&,;:@!$'()*+~._-]{0,60}[a-z0-9]", fullmatch=True)
links = st.builds(
    "{}{}".format, st.sampled_from(["http://a.example/", "HTTPS://b.example/"]), paths
)


@given(st.lists(links), st.sampled_from([" ", "\n", "\r\n", "\t", ", ", " ,\n", ". ", "\u200b"]))
def test_links_joined_in_any_way_come_apart_again(joined: list[str], separator: str) -> None:
    unambiguous = [link for link in joined if ",http" not in link]

    assert urls_in(separator.join(unambiguous)) == list(dict.fromkeys(unambiguous))


@given(st.text())
def test_no_text_breaks_it_and_every_link_is_part_of_it(text: str) -> None:
    for link in find_links(text).links:
        assert link.typed in text.translate(
            dict.fromkeys(map(ord, "\u00ad\u200b\u200e\u200f\u2060\ufeff"))
        )
