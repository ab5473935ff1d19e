"""What a fork server learns at its start is kept for the next one."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from downloads.fetch.client import ForkServer

REAL = {name: shutil.which(name) for name in ("ffmpeg", "ffprobe")}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Puts programs first on PATH that note what they are asked; returns the notes so far."""
    folder, notes = tmp_path / "bin", tmp_path / "notes"
    folder.mkdir()
    for name, real in REAL.items():
        script = f'#!/bin/sh\necho {name} "$@" >> {notes}\nexec {real} "$@"\n'
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: notes.read_text().splitlines() if notes.exists() else []


def start(needs: Path | None) -> None:
    fork_server = ForkServer(None, needs=needs)
    try:
        fork_server.start()
    finally:
        fork_server.close()


def test_the_second_start_asks_no_program_for_its_version(
    asked: Callable[[], list[str]], tmp_path: Path
) -> None:
    needs = tmp_path / "sets" / "needs.json"

    start(needs)
    first = asked()
    start(needs)

    assert sorted(first) == ["ffmpeg -bsfs", "ffprobe -bsfs"]
    assert asked() == first


def test_a_program_that_was_replaced_is_asked_again(
    asked: Callable[[], list[str]], tmp_path: Path
) -> None:
    start(tmp_path / "needs.json")
    ffmpeg = tmp_path / "bin" / "ffmpeg"
    ffmpeg.write_text(f"{ffmpeg.read_text()}# newer\n")

    start(tmp_path / "needs.json")

    assert asked()[2:] == ["ffmpeg -bsfs"]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "\x00"])
def test_a_file_that_cannot_be_read_costs_the_question_alone(
    asked: Callable[[], list[str]], tmp_path: Path, content: str
) -> None:
    kept = tmp_path / "programs.json"
    kept.write_text(content)

    start(tmp_path / "needs.json")
    start(tmp_path / "needs.json")

    assert len(asked()) == 2


def test_without_a_place_to_keep_it_each_start_asks(asked: Callable[[], list[str]]) -> None:
    start(None)
    start(None)

    assert len(asked()) == 4
