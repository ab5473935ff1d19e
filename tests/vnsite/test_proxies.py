"""What is believed of the headers of proxies, and from whom; and where a path leads."""

from typing import Any

import pytest

from downloads.accounts.by_proxy import SCOPE_KEY
from vnsite.proxies import BehindProxies, BelowPrefix

PROXY, OTHER_PROXY, BROWSER, STRANGER = "10.0.0.1", "10.0.0.2", "203.0.113.5", "198.51.100.7"


async def seen(
    client: str, *headers: tuple[str, str], proxies: tuple[str, ...] = ("10.0.0.0/24",)
) -> dict[str, Any]:
    """The scope that the application sees."""
    scopes: list[dict[str, Any]] = []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)

    scope = {
        "type": "http",
        "scheme": "http",
        "client": (client, 1234),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    await BehindProxies(application, proxies, user_header="Remote-User")(scope, None, None)
    return scopes[0]


@pytest.mark.parametrize(
    ("client", "forwarded_for", "address"),
    [
        (PROXY, BROWSER, BROWSER),
        (PROXY, f"{STRANGER}, {BROWSER}", BROWSER),
        (PROXY, f"{BROWSER}, {OTHER_PROXY}", BROWSER),
        (PROXY, f"{STRANGER}, {BROWSER},{OTHER_PROXY}", BROWSER),
        (PROXY, "2001:db8::1", "2001:db8::1"),
        (PROXY, "", PROXY),
        (PROXY, "unknown", PROXY),
        (PROXY, f"{BROWSER}, <script>", PROXY),
        (PROXY, f"{BROWSER}:1234", PROXY),
        (STRANGER, BROWSER, STRANGER),
        ("", BROWSER, ""),
    ],
)
async def test_the_address_is_that_of_the_last_hop_that_is_no_proxy(
    client: str, forwarded_for: str, address: str
) -> None:
    scope = await seen(client, ("x-forwarded-for", forwarded_for))

    assert scope["client"][0] == address


async def test_a_header_that_came_twice_is_one_list() -> None:
    headers = (("x-forwarded-for", STRANGER), ("x-forwarded-for", BROWSER))

    assert (await seen(PROXY, *headers))["client"][0] == BROWSER


@pytest.mark.parametrize(
    ("client", "forwarded_proto", "scheme"),
    [
        (PROXY, "https", "https"),
        (PROXY, "http", "http"),
        (PROXY, "http, https", "https"),
        (PROXY, "gopher", "http"),
        (PROXY, "", "http"),
        (STRANGER, "https", "http"),
    ],
)
async def test_the_scheme_is_what_a_proxy_says(
    client: str, forwarded_proto: str, scheme: str
) -> None:
    scope = await seen(client, ("x-forwarded-proto", forwarded_proto))

    assert scope["scheme"] == scheme


@pytest.mark.parametrize("client", [PROXY, STRANGER])
async def test_the_headers_go_no_further(client: str) -> None:
    headers = (("x-forwarded-for", BROWSER), ("x-forwarded-proto", "https"), ("host", "localhost"))

    assert (await seen(client, *headers))["headers"] == [(b"host", b"localhost")]


async def test_without_proxies_nobody_is_believed() -> None:
    scope = await seen("127.0.0.1", ("x-forwarded-for", BROWSER), proxies=())

    assert scope["client"] == ("127.0.0.1", 1234)


@pytest.mark.parametrize(
    ("client", "headers", "user"),
    [
        (PROXY, [("remote-user", "ursula")], "ursula"),
        (PROXY, [("remote-user", "Zoë")], "Zoë"),
        (PROXY, [], None),
        (STRANGER, [("remote-user", "ursula")], None),
        ("", [("remote-user", "ursula")], None),
        # The client's own beside the proxy's: a proxy that adds instead of setting.
        (PROXY, [("remote-user", "boss"), ("remote-user", "ursula")], None),
        (PROXY, [("remote_user", "boss")], None),
        (PROXY, [("remote_user", "boss"), ("remote-user", "ursula")], "ursula"),
    ],
)
async def test_a_users_name_is_what_a_proxy_says_once(
    client: str, headers: list[tuple[str, str]], user: str | None
) -> None:
    scope = await seen(client, *headers)

    assert scope.get(SCOPE_KEY) == user
    assert scope["headers"] == []


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/vnsite/", "/vnsite/"),
        ("/vnsite", "/vnsite/"),
        ("/vnsite/events/", "/vnsite/events/"),
        ("/", "/vnsite/"),
        ("/events/", "/vnsite/events/"),
        ("/vnsites/", "/vnsite/vnsites/"),
    ],
)
async def test_a_path_is_below_the_prefix_whether_it_was_stripped_or_not(
    asked: str, path: str
) -> None:
    scopes: list[dict[str, Any]] = []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)

    await BelowPrefix(application, "/vnsite")({"type": "http", "path": asked}, None, None)

    assert (scopes[0]["path"], scopes[0]["root_path"]) == (path, "/vnsite")
