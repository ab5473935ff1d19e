"""The files of what was learned of sites: only what may be kept, and not too much of it."""

import os
from pathlib import Path
from typing import Any

import pytest
import yt_dlp
from yt_dlp.cache import Cache

from downloads.disk import site_memory
from downloads.rules.site_memory import MAX_TOTAL_BYTES

VERSION = "2026.10.26"


def keep(root: Path, section: str, key: str, value: Any, *, version: str = VERSION) -> bool:
    return site_memory.keep(root, section, key, value, version=version)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("youtube-sigfuncs", "0004de42-main-104", [2, 0, 1]),
        ("soundcloud", "client_id", "a" * 32),
        ("brightcove", "1234_default-x", "BCpk-abc.~="),
    ],
)
def test_what_is_kept_is_what_yt_dlp_reads(
    tmp_path: Path, section: str, key: str, value: Any
) -> None:
    assert keep(tmp_path, section, key, value)

    read = Cache(yt_dlp.YoutubeDL({"cachedir": str(tmp_path / VERSION)}, auto_init=False))
    assert read.load(section, key) == value
    assert read.load(section, key, min_ver="2025.07.21") == value


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("youtube", "oauth", "token"),
        ("challenge-solver", "core", {"code": "evil()"}),
        ("challenge-solver", "player:https://x", "evil()"),
        ("soundcloud", "oauth", "token"),
        ("soundcloud", "client_id", "no white space"),
        ("soundcloud", "client_id", {"a": 1}),
        ("soundcloud", "client_id", "a" * 501),
        ("youtube-sigfuncs", "../../x", [1]),
        ("youtube-sigfuncs", "a/b", [1]),
        ("youtube-sigfuncs", "x", [1, "evil()"]),
        ("youtube-sigfuncs", "x", [True]),
        ("youtube-sigfuncs", "x", [-1]),
        ("youtube-sigfuncs", "x", []),
        ("youtube-sigfuncs", "x", [1] * 10_001),
        ("youtube-sigfuncs", "x", [2**31 - 1] * 10_000),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, section: str, key: str, value: Any) -> None:
    assert not keep(tmp_path, section, key, value)
    assert files(tmp_path) == []


@pytest.mark.parametrize("version", ["", "..", "../x", "a", "2026/1"])
def test_a_version_that_is_none_is_refused(tmp_path: Path, version: str) -> None:
    assert not keep(tmp_path, "soundcloud", "client_id", "a", version=version)
    assert files(tmp_path) == []


def test_nothing_forgets_what_was_kept(tmp_path: Path) -> None:
    keep(tmp_path, "soundcloud", "client_id", "a")

    assert keep(tmp_path, "soundcloud", "client_id", None)
    assert keep(tmp_path, "soundcloud", "client_id", None)

    assert files(tmp_path) == []


def test_the_oldest_go_when_all_are_too_large_whatever_version_they_are_of(tmp_path: Path) -> None:
    keep(tmp_path, "soundcloud", "client_id", "old", version="2025.1.1")
    old = site_memory.path_of(tmp_path, "soundcloud", "client_id", version="2025.1.1")
    old.write_text("x" * MAX_TOTAL_BYTES)
    os.utime(old, (1, 1))

    keep(tmp_path, "soundcloud", "client_id", "new")

    assert [path.parents[1].name for path in files(tmp_path)] == [VERSION]


def test_a_draft_that_a_crash_left_goes_with_the_next_value(tmp_path: Path) -> None:
    keep(tmp_path, "soundcloud", "client_id", "a")
    (tmp_path / VERSION / "soundcloud" / "tmpabc").write_text("half")

    keep(tmp_path, "soundcloud", "client_id", "b")

    assert [path.name for path in files(tmp_path)] == ["client_id.json"]
