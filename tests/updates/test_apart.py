"""An update in a process of its own: how it is stopped, and what is said of its death."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from downloads.updates import apart
from downloads.updates.refusal import Interrupted, Refused
from tests.helpers.package_index import PackageIndex, newer
from tests.helpers.processes import children_of
from tests.helpers.waiting import DEADLINE_SECONDS


@pytest.fixture
def updater(tmp_path: Path, index: PackageIndex) -> dict[str, Any]:
    index.release(newer(1))
    fields = {"index_url": index.url, "channel": "stable", "min_free_bytes": 0, "plugins": ()}
    return {"home": tmp_path / "sets", **fields}


def updating() -> list[int]:
    """The processes of updates that this one has started."""
    return [
        pid
        for pid in children_of(os.getpid())
        if apart.__name__.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]


def left_in(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


def test_one_that_is_stopped_leaves_nothing(updater: dict[str, Any], index: PackageIndex) -> None:
    begun: list[str] = []
    index.before_body = begun.append

    with pytest.raises(Interrupted):
        apart.carry_out(
            "update",
            {"is_asked": True},
            should_stop=lambda: any(name.endswith(".whl") for name in begun),
            **updater,
        )

    assert left_in(updater["home"]) == [".lock", "state.json"]
    assert not updating()


def test_one_that_waits_for_the_index_is_not_waited_for(
    updater: dict[str, Any], index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "STOP_SECONDS", 0.1)
    is_asked, may_answer = threading.Event(), threading.Event()
    waited_for: list[str] = []

    def hang(name: str) -> None:
        is_asked.set()
        if not may_answer.wait(DEADLINE_SECONDS):
            waited_for.append(name)

    index.before_body = hang
    try:
        with pytest.raises(Interrupted):
            apart.carry_out("look", {}, should_stop=is_asked.is_set, **updater)
    finally:
        may_answer.set()

    assert not waited_for
    assert not updating()


def test_one_that_is_killed_is_said_to_be(updater: dict[str, Any], index: PackageIndex) -> None:
    def kill(_name: str) -> None:
        for pid in updating():
            os.kill(pid, signal.SIGKILL)

    index.before_body = kill

    with pytest.raises(Refused, match="its process ended with -9") as caught:
        apart.carry_out("look", {}, should_stop=lambda: False, **updater)

    assert caught.value.code == "no_process"


def test_one_that_cannot_begin_says_its_last_words(updater: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"AttributeError: .*'dance'"):
        apart.carry_out("dance", {}, should_stop=lambda: False, **updater)
