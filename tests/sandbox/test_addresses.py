"""Which addresses may be reached: the whole table, and what is allowed in spite of it."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.sandbox.addresses import AllowedHosts, as_address, refusal

NOTHING = AllowedHosts()

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.15.255.255",
    "172.32.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "169.253.255.255",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "64:ff9b::808:808",  # NAT64 of 8.8.8.8
]
SPECIAL_V4 = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
]
SPECIAL_V6 = [
    "::",
    "::1",
    "100::1",
    "2001:db8::1",
    "2001:2::1",
    "2001:10::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "3fff::1",
    "5f00::1",
]


def carriers(v4: str) -> list[str]:
    """Every IPv6 address that a gateway may deliver to this IPv4 address."""
    number = int(ipaddress.IPv4Address(v4))

    def v6(prefix: str, *, shift: int = 0, value: int = number) -> str:
        return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | value << shift))

    return [
        v6("::ffff:0:0"),  # mapped
        v6("::"),  # compatible
        v6("2002::1", shift=80),  # 6to4
        v6("2001::", value=number ^ 0xFFFF_FFFF),  # Teredo: the client
        v6("2001::", shift=64),  # Teredo: the server
        v6("64:ff9b::"),  # NAT64
        v6("64:ff9b:1::"),  # NAT64 of one's own
    ]


def is_refused(address: str, *, port: int = 443, allowed: AllowedHosts = NOTHING) -> bool:
    return refusal(ipaddress.ip_address(address), port, allowed) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_reached(address: str) -> None:
    assert not is_refused(address)


@pytest.mark.parametrize("address", [*SPECIAL_V4, *SPECIAL_V6])
def test_a_special_address_may_not(address: str) -> None:
    assert is_refused(address)


@pytest.mark.parametrize(
    "address", [carrier for address in SPECIAL_V4 for carrier in carriers(address)]
)
def test_nor_may_an_ipv6_address_that_carries_one(address: str) -> None:
    assert is_refused(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_never_freer_in_an_ipv6_address(v4: ipaddress.IPv4Address) -> None:
    if is_refused(str(v4)):
        assert all(is_refused(carrier) for carrier in carriers(str(v4)))


def test_the_reason_names_the_address() -> None:
    reason = refusal(ipaddress.ip_address("169.254.169.254"), 80, NOTHING)

    assert reason == "169.254.169.254 is not a public address"


@pytest.mark.parametrize(
    ("entry", "address", "port", "is_allowed"),
    [
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("127.0.0.1", "127.0.0.1", 9999, True),
        ("127.0.0.1", "127.0.0.2", 80, False),
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.0.0.1:8080", "127.0.0.1", 80, False),
        ("127.0.0.1:8080", "::ffff:127.0.0.1", 8080, False),
        ("::1", "::1", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]:8080", "::1", 80, False),
        ("10.0.0.0/8", "10.9.8.7", 1, True),
        ("10.0.0.1/8", "10.9.8.7", 1, True),
        ("10.0.0.0/8", "11.0.0.1", 1, True),  # it is public
        ("10.0.0.0/8", "192.168.0.1", 1, False),
        ("10.0.0.0/8", "::ffff:10.9.8.7", 1, False),
        ("fd00::/8", "fd12::1", 1, True),
        ("fd00::/8", "fe80::1", 1, False),
    ],
)
def test_an_administrator_can_allow(entry: str, address: str, port: int, is_allowed: bool) -> None:
    assert is_refused(address, port=port, allowed=AllowedHosts.parse([entry])) is not is_allowed


@pytest.mark.parametrize(
    "entry", ["host:", ":80", "host:0", "host:65536", "host:http", "10.0.0.0/33", "a/8", "[::1]:x"]
)
def test_a_wrong_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=entry.replace("[", r"\[").partition("/")[0]):
        AllowedHosts.parse([entry])


def test_a_name_is_allowed_as_it_was_written() -> None:
    allowed = AllowedHosts.parse(["Media.Example:8080", "files.example"])

    assert allowed.allows_name("media.example", 8080)
    assert allowed.allows_name("MEDIA.example", 8080)
    assert not allowed.allows_name("media.example", 80)
    assert not allowed.allows_name("other.example", 8080)
    assert allowed.allows_name("files.example", 1)


def test_a_name_allows_nothing_until_it_is_pinned() -> None:
    assert is_refused("10.0.0.1", port=80, allowed=AllowedHosts.parse(["nas:80"]))


def test_a_pinned_name_allows_what_it_resolved_to_at_its_port() -> None:
    answers = {"nas": ["10.0.0.1", "fd00::1", "fe80::1%eth0"], "gone": []}

    allowed = AllowedHosts.parse(["nas:80", "gone"]).pin(answers.__getitem__)

    assert not is_refused("10.0.0.1", port=80, allowed=allowed)
    assert not is_refused("fd00::1", port=80, allowed=allowed)
    assert is_refused("10.0.0.1", port=81, allowed=allowed)
    assert is_refused("10.0.0.2", port=80, allowed=allowed)


def test_what_a_name_resolves_to_later_is_not_allowed() -> None:
    """DNS rebinding: only the first answer counts."""
    answers = iter([["10.0.0.1"], ["10.0.0.2"]])
    allowed = AllowedHosts.parse(["nas"]).pin(lambda name: next(answers))

    assert is_refused("10.0.0.2", allowed=allowed)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2130706433", None),
        ("0x7f000001", None),
        ("0177.0.0.1", None),
        ("127.1", None),
        ("localhost", None),
        ("", None),
    ],
)
def test_only_canonical_spellings_are_addresses(text: str, address: str | None) -> None:
    assert as_address(text) == (address and ipaddress.ip_address(address))
