"""What importing the public names brings along, each seen from a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

import downloads
from downloads.rules.states import State

PROJECT = Path(__file__).parent.parent
PURE_NAMES = (
    "DownloadCancelled, DownloadLifecycle, DownloadOptions, DownloadResult, DownloadState, "
    "IsolatedDownload, TempManager, cleanup_download"
)
STATES_OF_A_LIFE = ["created", "initializing", "ready", "downloading", "completed", "cleaned"]


def run_python(code: str) -> str:
    """Run code without any settings for Django and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_public_names_bring_nothing_heavy_along() -> None:
    heavy = {"django", "channels", "daphne", "twisted", "yt_dlp", "pydantic", "requests"}

    loaded = run_python(f"from downloads import {PURE_NAMES}\nimport sys\nprint(*sys.modules)")

    assert heavy.isdisjoint(loaded.split())


def test_a_download_runs_its_whole_life_without_django(tmp_path: Path) -> None:
    states = run_python(
        "from downloads import DownloadLifecycle, DownloadOptions\n"
        f"lifecycle = DownloadLifecycle('abc', DownloadOptions(), root={str(tmp_path)!r})\n"
        "lifecycle.execute(lambda directory, options: None)\n"
        "print(*(state for state, detail, at in lifecycle.state_history))"
    )

    assert states.split() == STATES_OF_A_LIFE


def test_the_state_of_the_public_names_is_the_one_of_the_table() -> None:
    assert downloads.DownloadState is State


def test_the_manager_is_loaded_on_first_use() -> None:
    from downloads.worker.worker import DownloadManager

    assert "DownloadManager" in downloads.__all__
    assert downloads.DownloadManager is DownloadManager


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'downloads' has no attribute 'nonsense'"):
        _ = downloads.nonsense


def test_there_is_one_type_called_download_result_in_the_whole_tree() -> None:
    definitions = [
        path.relative_to(PROJECT).as_posix()
        for package in ("downloads", "vnsite")
        for path in (PROJECT / package).rglob("*.py")
        if "class DownloadResult" in path.read_text(encoding="utf-8")
    ]

    assert definitions == ["downloads/standalone.py"]
