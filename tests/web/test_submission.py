import pytest
from django.conf import LazySettings

from downloads.rules.links import InvalidLink, LinkFault
from downloads.submission import check_link, check_text


@pytest.fixture
def allow(settings: LazySettings):
    def allow(*entries: str) -> None:
        update = {"allow_private_hosts": entries}
        settings.VNSITE = settings.VNSITE.model_copy(update=update)

    return allow


def test_the_normal_form_is_returned() -> None:
    assert check_link(" HTTPS://Example.ORG/Watch?v=1#t=2 ") == "https://example.org/Watch?v=1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", LinkFault.EMPTY),
        (" \n", LinkFault.EMPTY),
        ("no link", LinkFault.NOT_HTTP),
        ("see ftp://example.org/a", LinkFault.NOT_HTTP),
        ("see http://127.0.0.1/a", LinkFault.PRIVATE_ADDRESS),
        ("https://example.org/a or https://example.org/b", LinkFault.SEVERAL),
    ],
)
def test_a_text_without_exactly_one_link_is_refused(text: str, fault: LinkFault) -> None:
    with pytest.raises(InvalidLink) as refused:
        check_text(text)

    assert refused.value.code is fault


@pytest.mark.parametrize("link", ["https://8.8.8.8/a", "https://[2606:4700::1111]/a"])
def test_a_public_address_is_taken(link: str) -> None:
    assert check_link(link) == link


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST.",
        "anything.localhost",
        "localhost.localdomain",
        "ip6-localhost",
    ],
)
def test_a_private_address_is_refused(host: str) -> None:
    with pytest.raises(InvalidLink) as refused:
        check_link(f"http://{host}/video.mp4")

    assert refused.value.code is LinkFault.PRIVATE_ADDRESS
    assert "private address" in str(refused.value)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1"])
def test_a_disguised_address_is_no_link_at_all(host: str) -> None:
    with pytest.raises(InvalidLink):
        check_link(f"http://{host}/")


@pytest.mark.parametrize(
    ("entry", "link"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080/a"),
        ("127.0.0.1:80", "http://127.0.0.1/a"),
        ("10.0.0.0/8", "http://10.9.8.7/a"),
        ("localhost", "http://localhost:1234/a"),
        ("localhost:443", "https://localhost/a"),
        ("[::1]:8080", "http://[::1]:8080/a"),
    ],
)
def test_an_allowed_host_is_taken(allow, entry: str, link: str) -> None:
    allow(entry)

    assert check_link(link) == link


def test_another_port_than_the_allowed_one_is_refused(allow) -> None:
    allow("127.0.0.1:8080", "localhost:8080")

    for link in ("http://127.0.0.1:8081/", "http://localhost:8081/"):
        with pytest.raises(InvalidLink):
            check_link(link)
