"""`manage.py update_extractors`: what it prints and how it ends, also without rights of root."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloads.updates.state import installed_version
from tests.diagnostics.test_checks import configured
from tests.helpers.nobody import Nobody, being_nobody
from tests.helpers.package_index import PackageIndex, newer
from tests.management.test_commands import run


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with PackageIndex() as serving:
        yield serving


@pytest.fixture
def nobody() -> Iterator[Nobody]:
    with being_nobody() as user:
        yield user


def test_it_says_what_is_used_and_what_is_newer(tmp_path: Path, index: PackageIndex) -> None:
    index.release(newer(1))

    with configured(data_dir=tmp_path, extractors_update="check", extractors_index=index.url):
        code, out, err = run("update_extractors", "--check")

    assert (code, err) == (0, "")
    assert out.startswith(f"New attempts use yt-dlp {installed_version()} (stable, ")
    assert out.endswith(f"The newest stable one is {newer(1)}.\n")


def test_a_refusal_ends_with_1_and_its_reason(tmp_path: Path) -> None:
    unreachable = "http://127.0.0.1:1/"

    with configured(data_dir=tmp_path, extractors_update="check", extractors_index=unreachable):
        code, _, err = run("update_extractors")

    assert (code, err) == (1, "The package index cannot be asked: Connection refused.\n")


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_switched_off_nothing_is_asked(
    tmp_path: Path, index: PackageIndex, arguments: tuple[str, ...]
) -> None:
    with configured(data_dir=tmp_path, extractors_update="off", extractors_index=index.url):
        code, _, err = run("update_extractors", *arguments)

    assert (code, err) == (1, "Updates of yt-dlp are off (VNSITE_EXTRACTORS_UPDATE).\n")
    assert not index.hits


def test_there_and_back_as_a_user_without_rights(nobody: Nobody, index: PackageIndex) -> None:
    index.release(newer(2, nightly=True))
    environment = {"VNSITE_EXTRACTORS_INDEX": index.url, "VNSITE_MIN_FREE_BYTES": "0"}

    there = nobody.manage("update_extractors", "--channel", "nightly", "--json", **environment)
    back = nobody.manage("update_extractors", "--rollback", "--json", **environment)
    further_back = nobody.manage("update_extractors", "--rollback", **environment)

    assert there.returncode == 0, there.stderr
    said = json.loads(there.stdout)
    assert (said["yt_dlp"], said["channel"], said["changed"]) == (
        newer(2, nightly=True),
        "nightly",
        True,
    )
    assert said["previous"] == installed_version()
    assert json.loads(back.stdout)["yt_dlp"] == installed_version()
    assert further_back.returncode == 1
    assert further_back.stderr == "There is no earlier yt-dlp to go back to.\n"


def test_a_data_directory_that_cannot_be_written_is_named(
    nobody: Nobody, index: PackageIndex
) -> None:
    environment = {"VNSITE_EXTRACTORS_INDEX": index.url}
    nobody.manage("check", **environment)  # makes the directory and the secret key
    data = nobody.folder / "data"
    os.chown(data, 0, 0)
    data.chmod(0o755)

    refused = nobody.manage("update_extractors", **environment)

    assert refused.returncode == 1
    assert refused.stderr == f"{data / 'extractors'} cannot be written: Permission denied.\n"
