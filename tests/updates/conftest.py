import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from downloads.updates.state import Home
from downloads.updates.updating import Updater
from tests.helpers.package_index import PackageIndex, newer

Update = Callable[..., Updater]


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with PackageIndex() as serving:
        yield serving


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "extractors")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a newer set is used, to be copied: to make one takes seconds."""
    folder = tmp_path_factory.mktemp("made") / "extractors"
    with PackageIndex() as serving:
        serving.release(newer(1))
        brought = Updater(
            home=Home(folder), index_url=serving.url, channel="stable", min_free_bytes=0
        )
        brought.update(is_asked=True)
    return folder


@pytest.fixture
def updated(home: Home, made: Path) -> Home:
    """The folder, as after an update; its files are links, which nobody may write into."""
    shutil.copytree(made, home.path, copy_function=os.link)
    return home


@pytest.fixture
def updater(home: Home, index: PackageIndex) -> Callable[..., Updater]:
    def make(**values: Any) -> Updater:
        usual = {"index_url": index.url, "channel": "stable", "min_free_bytes": 0}
        return Updater(**({"home": home} | usual | values))

    return make
