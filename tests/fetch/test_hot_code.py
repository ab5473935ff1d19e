"""Code that is put side by side does what it did."""

import gc
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from downloads.fetch import hot_code

SOURCE = """
def add(number, *, more=1):
    return number + more

def adder(number):
    def added(other):
        return number + other
    return added

def count(end):
    yield from range(end)

class Counted:
    number = 0

    @property
    def next(self):
        self.number += 1
        return self.number

def fail():
    raise ValueError("no")

def unused():
    return 1
"""


@pytest.fixture(autouse=True)
def _frozen_as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.fixture
def module(tmp_path: Path) -> dict[str, Any]:
    return made(tmp_path / "module.py")


def made(path: Path) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "module"}
    exec(compile(SOURCE, str(path), "exec"), namespace)
    return namespace


def gathered(call: Callable[[], object]) -> int:
    with hot_code.noted() as called:
        call()
    return hot_code.gather(called)


def test_functions_do_what_they_did(module: dict[str, Any]) -> None:
    add_three, counted = module["adder"](3), module["Counted"]()

    def use() -> list[object]:
        return [
            module["add"](1),
            module["add"](1, more=5),
            add_three(4),
            module["adder"](1)(1),
            list(module["count"](3)),
        ]

    before = use()
    was = module["add"].__code__

    assert gathered(lambda: (use(), counted.next)) >= 5
    assert module["add"].__code__ is not was
    assert use() == before == [2, 6, 7, 2, [0, 1, 2]]
    assert counted.next == 2


def test_what_runs_meanwhile_goes_on(module: dict[str, Any]) -> None:
    counting = module["count"](3)
    first = next(counting)

    gathered(lambda: list(module["count"](1)))

    assert [first, *counting] == [0, 1, 2]


def test_what_was_not_called_stays(module: dict[str, Any]) -> None:
    was = module["unused"].__code__

    gathered(lambda: module["add"](1))

    assert module["unused"].__code__ is was


def test_equal_code_of_two_files_is_told_apart(tmp_path: Path) -> None:
    places = [tmp_path / "one.py", tmp_path / "two.py"]
    modules = [made(place) for place in places]

    def use() -> list[str]:
        named = []
        for each in modules:
            with pytest.raises(ValueError, match="no") as failed:
                each["fail"]()
            named.append(traceback.extract_tb(failed.value.__traceback__)[-1].filename)
        return named

    gathered(use)

    assert use() == [str(place) for place in places]
