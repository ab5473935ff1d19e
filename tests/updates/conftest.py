from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from downloads.updates.state import Home
from downloads.updates.updating import Updater
from tests.helpers.package_index import PackageIndex

Update = Callable[..., Updater]


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with PackageIndex() as serving:
        yield serving


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "extractors")


@pytest.fixture
def updater(home: Home, index: PackageIndex) -> Callable[..., Updater]:
    def make(**values: Any) -> Updater:
        usual = {"index_url": index.url, "channel": "stable", "min_free_bytes": 0}
        return Updater(**({"home": home} | usual | values))

    return make
