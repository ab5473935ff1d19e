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


def test_tags_of_html_are_not_left_over() -> None:
    found = find_links(
        f"<!DOCTYPE html>\n<p class=x>See <a href='{LINK}' rel=me>this film</a>, or <b>not</b>.</p>"
    )

    assert found.left_over == ("See", "this film", "or", "not")
    assert [link.line for link in found.links] == [2]


def test_links_are_found_once_and_in_order_with_their_lines() -> None:
    found = find_links(f"{OTHER}\r\n\r\n{LINK},{OTHER} {LINK}2")

    assert [(link.typed, link.line) for link in found.links] == [
        (OTHER, 1),
        (LINK, 3),
        (f"{LINK}2", 3),
    ]


# What people paste, as it comes: a name, the text, its links.
TEXTS: list[tuple[str, str, list[str]]] = [
    ("nothing", "", []),
    ("words", "see you at 8.30, bring e.g. 3.5 l/100 km", []),
    ("a name of a site", "I saw it on example.org yesterday", []),
    ("an address of a person", "Write to me@example.org or me@example.org/x", []),
    ("a version", "vnsite 1.2.3/4 and Django>=5.2", []),
    ("a path", "/home/ann/videos/a.mp4 and C:\\films\\b.mp4", []),
    ("one link", "https://a.example/1", ["https://a.example/1"]),
    ("a list with commas", "https://a.example/1,https://a.example/2, https://a.example/3",
     ["https://a.example/1", "https://a.example/2", "https://a.example/3"]),
    ("a list with semicolons", "https://a.example/1; https://a.example/2;",
     ["https://a.example/1", "https://a.example/2"]),
    ("a list of Windows", "https://a.example/1\r\nhttps://a.example/2\r\n",
     ["https://a.example/1", "https://a.example/2"]),
    ("a list of an old Mac", "https://a.example/1\rhttps://a.example/2",
     ["https://a.example/1", "https://a.example/2"]),
    ("links that touch", "https://a.example/1https://a.example/2", ["https://a.example/1https://a.example/2"]),
    ("the same twice", "https://a.example/1 https://a.example/1", ["https://a.example/1"]),
    ("a numbered list", "1. https://a.example/1\n2. https://a.example/2",
     ["https://a.example/1", "https://a.example/2"]),
    ("a list of tasks", "- [ ] https://a.example/1\n- [x] https://a.example/2",
     ["https://a.example/1", "https://a.example/2"]),
    ("bullets", "• https://a.example/1\n· https://a.example/2\n– https://a.example/3",
     ["https://a.example/1", "https://a.example/2", "https://a.example/3"]),
    ("comments of a list", "# music\nhttps://a.example/1\n; old\nhttps://a.example/2 # best",
     ["https://a.example/1", "https://a.example/2"]),
    ("a command", "yt-dlp -f 'bv*+ba' 'https://a.example/watch?v=1&t=2s' --no-mtime",
     ["https://a.example/watch?v=1&t=2s"]),
    ("a command of curl", "curl -L \"https://a.example/v.mp4?x=1\" -H 'Referer: https://b.example/'",
     ["https://a.example/v.mp4?x=1", "https://b.example/"]),
    ("the end of a sentence", "It is at https://a.example/1. Really!", ["https://a.example/1"]),
    ("a question", "Did you see https://a.example/1?", ["https://a.example/1"]),
    ("an exclamation in Spanish", "¡Mira https://a.example/1!", ["https://a.example/1"]),
    ("a query that ends with a sign", "https://a.example/?q=what%3F, yes", ["https://a.example/?q=what%3F"]),
    ("a page of a wiki in brackets", "(see https://a.example/wiki/Film_(2019))",
     ["https://a.example/wiki/Film_(2019)"]),
    ("quotes of France", "« https://a.example/1 »", ["https://a.example/1"]),
    ("quotes of Germany", "Er sagte: „https://a.example/1“.", ["https://a.example/1"]),
    ("quotes of Japan", "「https://a.example/1」を見て。", ["https://a.example/1"]),
    ("a mail", "Hi Ann,\n\nthe film: <https://a.example/1>.\n\nBest\nBob\n-- \nSent from my phone",
     ["https://a.example/1"]),
    ("a mail that is quoted", "> > https://a.example/1\n> I liked https://a.example/2",
     ["https://a.example/1", "https://a.example/2"]),
    ("a mail of Outlook", "Film<https://a.example/1> and more<https://a.example/2>",
     ["https://a.example/1", "https://a.example/2"]),
    ("a broken link is not put together",
     "https://a.example/a-long-\nname", ["https://a.example/a-long-"]),
    ("WhatsApp",
     "[03/11/2026, 21:14:05] Ana: mira https://a.example/1\n[03/11/2026, 21:15:10] Luis: 😂",
     ["https://a.example/1"]),
    ("WhatsApp of Android", "11/3/26, 9:14 PM - Ann: https://a.example/1\u200e (file attached)", ["https://a.example/1"]),
    ("Telegram", "Ann, [03.11.2026 21:14]\n[Forwarded from Channel]\nhttps://a.example/1", ["https://a.example/1"]),
    ("Slack", "<https://a.example/1|a.example/1> and <https://a.example/2>",
     ["https://a.example/1", "https://a.example/2"]),
    ("Discord without a preview", "look <https://a.example/1> ||https://a.example/2||",
     ["https://a.example/1", "https://a.example/2"]),
    ("a shared video", "Check out this video! https://a.example/s/abc?si=Xy-_1", ["https://a.example/s/abc?si=Xy-_1"]),
    ("a shared post", "Ann (@ann) posted: \"Wow\" https://a.example/ann/status/123?s=46 via @App",
     ["https://a.example/ann/status/123?s=46"]),
    ("shared in Spanish", "Échale un vistazo a este vídeo: https://a.example/1", ["https://a.example/1"]),
    ("shared in German", "Schau dir das an:https://a.example/1 – gesendet über App", ["https://a.example/1"]),
    ("shared in French", "Regarde ça :https://a.example/1, c’est génial", ["https://a.example/1"]),
    ("shared in Russian", "Смотри: https://a.example/1…", ["https://a.example/1"]),
    ("shared in Chinese", "7.99 复制打开App，看看【小明的作品】https://a.example/iabc/ :9pm", ["https://a.example/iabc/"]),
    ("shared in Chinese without spaces", "【标题】https://a.example/1，复制此链接", ["https://a.example/1"]),
    ("shared in Japanese", "動画を見る→https://a.example/1（公式）", ["https://a.example/1"]),
    ("shared in Korean", "영상:https://a.example/1 에서 보기", ["https://a.example/1"]),
    ("shared in Arabic", "شاهد هذا: \u200fhttps://a.example/1\u200f، رائع", ["https://a.example/1"]),
    ("an emoji behind it", "https://a.example/1 🔥 https://a.example/2🔥", ["https://a.example/1", "https://a.example/2"]),
    ("Markdown", "[One](https://a.example/1) and ![two](https://a.example/2 \"t\")",
     ["https://a.example/1", "https://a.example/2"]),
    ("Markdown with brackets", "[F](https://a.example/F_(2019)) **https://a.example/2**",
     ["https://a.example/F_(2019)", "https://a.example/2"]),
    ("Markdown with references", "[1]: https://a.example/1\n[2]: <https://a.example/2>",
     ["https://a.example/1", "https://a.example/2"]),
    ("a wiki", "[https://a.example/1 One] [[https://a.example/2|Two]]", ["https://a.example/1", "https://a.example/2"]),
    ("a forum", "[url=https://a.example/1]One[/url] [url]https://a.example/2[/url]",
     ["https://a.example/1", "https://a.example/2"]),
    ("a table of Markdown", "| One | https://a.example/1 |\n|---|---|\n|Two|https://a.example/2|",
     ["https://a.example/1", "https://a.example/2"]),
    ("CSV", "title,url,year\nOne,https://a.example/1,2020\n\"Two, too\",\"https://a.example/2\",2021",
     ["https://a.example/1", "https://a.example/2"]),
    ("CSV with semicolons", "One;https://a.example/1;2020\nTwo;https://a.example/2;2021",
     ["https://a.example/1", "https://a.example/2"]),
    ("a table with tabs", "One\thttps://a.example/1\t2020\nTwo\thttps://a.example/2\t2021",
     ["https://a.example/1", "https://a.example/2"]),
    ("JSON", '{"urls": ["https://a.example/1", "https:\\/\\/a.example\\/2"]}',
     ["https://a.example/1", "https://a.example/2"]),
    ("YAML", "urls:\n  - https://a.example/1\n  - 'https://a.example/2'", ["https://a.example/1", "https://a.example/2"]),
    ("HTML", "<!DOCTYPE html><p>See <a href=\"https://a.example/1?x=1&amp;y=2\">One</a></p>",
     ["https://a.example/1?x=1&y=2"]),
    ("HTML without quotes", "<a href=https://a.example/1>One</a>", ["https://a.example/1"]),
    ("bookmarks", "<DT><A HREF=\"https://a.example/1\" ICON=\"data:image/png;base64,AA==\">One</A>",
     ["https://a.example/1"]),
    ("XHTML", "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd\">\n"
     "<html xmlns=\"http://www.w3.org/1999/xhtml\"><a href='https://a.example/1'>", ["https://a.example/1"]),
    ("HTML inside of HTML", "&lt;a href=&quot;https://a.example/1&quot;&gt;One&lt;/a&gt;", ["https://a.example/1"]),
    ("a feed", "<rss xmlns:atom=\"http://www.w3.org/2005/Atom\"><link>https://a.example/1</link>"
     "<enclosure url=\"https://a.example/2.mp3\" length=\"1\"/></rss>", ["https://a.example/1", "https://a.example/2.mp3"]),
    ("a shortcut of Windows", "[InternetShortcut]\r\nURL=https://a.example/1\r\nIconIndex=0\r\n", ["https://a.example/1"]),
    ("a shortcut of Linux", "[Desktop Entry]\nType=Link\nURL=https://a.example/1\n", ["https://a.example/1"]),
    ("a playlist of files", "#EXTM3U\n#EXTINF:10,One\nhttps://a.example/1.ts\n", ["https://a.example/1.ts"]),
    ("a site without a scheme", "www.a.example and b.example/watch?v=1, see you",
     ["https://www.a.example", "https://b.example/watch?v=1"]),
    ("upper case", "HTTPS://A.EXAMPLE/X", ["HTTPS://A.EXAMPLE/X"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "links"), [each[1:] for each in TEXTS], ids=[each[0] for each in TEXTS]
)
def test_the_links_of_what_people_paste(text: str, links: list[str]) -> None:
    assert urls_in(text) == links


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
