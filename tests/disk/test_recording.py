"""A recording on the disk, and what a process that was killed leaves of it."""

from pathlib import Path
from typing import Any

import pytest

from downloads.disk.recording import JOURNAL, RECORDING, Recording


def add(recording: Recording, sequence: int, content: bytes = b"12345", **values: Any) -> None:
    usual: dict[str, Any] = {"track": 0, "run": 0, "discontinuity": 0, "milliseconds": 2000}
    usual |= {"mark": f"m{sequence}", "begins": ""}
    recording.add(content, sequence=sequence, **usual | values)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    recording = Recording.open(tmp_path)
    for sequence in (7, 8, 9):
        add(recording, sequence)
    return recording


def test_a_recording_goes_on_where_it_was(recording: Recording, tmp_path: Path) -> None:
    again = Recording.open(tmp_path)

    assert again.tracks == recording.tracks
    assert again.data == {"recorded_seconds": 6, "stopped": ""}
    add(again, 10, b"67")
    [file] = again.files(0)
    assert file.read_bytes() == b"12345" * 3 + b"67"


def test_bytes_that_nobody_counted_are_cut_off(recording: Recording, tmp_path: Path) -> None:
    [file] = recording.files(0)
    with file.open("ab") as torn:
        torn.write(b"123")
    (tmp_path / RECORDING / "0-1").write_bytes(b"a run that was begun")

    again = Recording.open(tmp_path)

    assert again.files(0) == [file]
    assert file.read_bytes() == b"12345" * 3
    assert not (tmp_path / RECORDING / "0-1").exists()


@pytest.mark.parametrize("left", [1, 20, -1])
def test_a_line_that_was_cut_does_not_count(
    recording: Recording, tmp_path: Path, left: int
) -> None:
    journal = tmp_path / RECORDING / JOURNAL
    before = journal.read_bytes()
    add(recording, 10)
    line = journal.read_bytes()[len(before) :]
    journal.write_bytes(before + line[:left])

    again = Recording.open(tmp_path)

    last = again.track(0).last
    assert last is not None
    assert last.sequence == 9
    add(again, 10)
    assert Recording.open(tmp_path).size_bytes == 20


def test_zeros_that_a_power_cut_left_do_not_count(recording: Recording, tmp_path: Path) -> None:
    with (tmp_path / RECORDING / JOURNAL).open("ab") as journal:
        journal.write(bytes(70) + b"\n")

    add(Recording.open(tmp_path), 10)

    assert Recording.open(tmp_path).tracks[0].milliseconds == 8000


def test_a_line_without_its_bytes_does_not_count(recording: Recording, tmp_path: Path) -> None:
    [file] = recording.files(0)
    file.write_bytes(b"1234512")

    assert Recording.open(tmp_path).data["recorded_seconds"] == 2


def test_missing_segments_are_counted(recording: Recording, tmp_path: Path) -> None:
    add(recording, 13, run=1)
    add(recording, 15, run=2)

    assert Recording.open(tmp_path).data == {
        "recorded_seconds": 10,
        "stopped": "",
        "gaps": 2,
        "missed_segments": 4,
    }


def test_a_site_that_counts_anew_leaves_a_gap_of_unknown_length(recording: Recording) -> None:
    add(recording, 0, run=1)

    assert recording.data["gaps"] == 1
    assert recording.data["missed_segments"] == 0


def test_runs_are_files_in_order(recording: Recording, tmp_path: Path) -> None:
    for sequence in range(10, 22):
        add(recording, sequence, b"%d" % sequence, run=sequence)

    files = Recording.open(tmp_path).files(0)

    assert b"".join(file.read_bytes() for file in files[1:]) == b"101112131415161718192021"


def test_why_it_was_stopped_and_its_video_are_kept(recording: Recording, tmp_path: Path) -> None:
    recording.describe({"title": "Eté"})
    recording.stop("asked")

    again = Recording.open(tmp_path)

    assert again.stopped == "asked"
    assert again.video == {"title": "Eté"}
