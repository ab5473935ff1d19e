"""A machine with a fork server, an internet with a site: made once, empty for every test."""

from collections.abc import Iterator

import pytest

from tests.egress.authority import Authority
from tests.egress.networks import SITE, Networks, why_not


@pytest.fixture(scope="session")
def all_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    if reason := why_not():
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("networks")
    authority = Authority(directory, "trusted")
    networks = Networks(directory, authority=authority)
    yield networks
    networks.close()


@pytest.fixture
def networks(all_networks: Networks) -> Iterator[Networks]:
    """Nothing but the site may be touched in them; the test fails when something was."""
    all_networks.names.answer("site.example", [SITE])
    all_networks.site.requests.clear()
    assert all_networks.touched() == []
    yield all_networks
    assert all_networks.touched() == []
