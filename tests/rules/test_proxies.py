"""Which texts are proxies."""

import pytest

from downloads.rules.proxies import InvalidProxy, Proxy


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("http://proxy.example:3128", "proxy.example:3128"),
        ("http://proxy.example", "proxy.example:80"),
        ("https://Proxy.example/", "proxy.example:443"),
        ("socks5://10.0.0.1", "10.0.0.1:1080"),
        ("socks5h://user:pa%3Ass@[::1]:9050", "[::1]:9050"),
    ],
)
def test_a_proxy_has_one_place_to_connect_to(text: str, endpoint: str) -> None:
    assert Proxy.parse(text).endpoint == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "", "proxy.example:3128", "ftp://proxy.example", "socks4://proxy.example", "http://",
        "http://a/path", "http://a?b", "http://a#b", "http://a:99999", "http://a:b", "http://[::1",
        "http://a b", "http://a\n", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_what_is_not_a_proxy_is_refused(text: str) -> None:
    with pytest.raises(InvalidProxy):
        Proxy.parse(text)


def test_neither_a_refusal_nor_a_proxy_shows_a_password() -> None:
    proxy = Proxy.parse("http://user:canary-of-a-proxy@proxy.example")
    with pytest.raises(InvalidProxy) as refused:
        Proxy.parse("http://user:canary-of-a-proxy@proxy.example/path")

    assert "canary" not in f"{proxy!r}{refused.value}"
    assert proxy.password == "canary-of-a-proxy"
