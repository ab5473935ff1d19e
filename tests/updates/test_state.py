"""The small file that says which set is used; whatever it holds, a worker can start."""

import json
from datetime import date
from pathlib import Path

import pytest

from downloads.updates.state import INSTALLED, Home, State, age_days, channel_of, version_of
from tests.helpers.package_index import newer

SET = f"{newer(5)}-0123abcd"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def write(home: Home, **values: object) -> None:
    (home.path / "state.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"current": 7, "refused": "x"}', '{"x": 1}', "\0"]
)
def test_a_damaged_file_means_that_the_installed_set_is_used(home: Home, content: str) -> None:
    (home.path / "state.json").write_text(content)

    assert home.candidates() == [INSTALLED]
    assert home.read() == State()


def test_a_state_is_read_as_it_was_written(home: Home) -> None:
    state = State(
        current=SET,
        previous=INSTALLED,
        refused=(SET,),
        newest="2026.1.1",
        channel="stable",
        looked_at=1.5,
        failure={"code": "busy", "at": 2.5},
    )

    home.write(state)

    assert home.read() == state


@pytest.mark.parametrize("name", ["../../etc", "/etc", f"../{SET}", ".", "2026.1.1"])
def test_a_name_that_leads_elsewhere_is_no_set(home: Home, name: str) -> None:
    write(home, current=name, previous=name, refused=[name])

    assert home.candidates() == [INSTALLED]
    assert home.read().refused == ()
    with pytest.raises(ValueError, match="not the name of a set"):
        home.path_of(name)


def test_the_wanted_set_is_first_and_the_installed_one_last(home: Home) -> None:
    before = f"{newer(3)}-0123abcd"
    for name in (SET, before):
        home.path_of(name).mkdir()
    write(home, current=SET, previous=before)

    assert home.candidates() == [SET, before, INSTALLED]


def test_a_set_that_is_gone_is_not_started(home: Home) -> None:
    write(home, current=SET, previous=None)

    assert home.candidates() == [INSTALLED]


def test_a_set_that_an_update_of_vnsite_has_overtaken_is_not_started(home: Home) -> None:
    old = f"{newer(-5)}-0123abcd"
    home.path_of(old).mkdir()
    write(home, current=old)

    assert home.candidates() == [INSTALLED]


def test_a_version_tells_its_channel_and_age() -> None:
    assert channel_of("2026.11.20") == "stable"
    assert channel_of("2026.11.20.232822.dev0") == "nightly"
    assert age_days("2026.11.20.232822.dev0", today=date(2026, 11, 22)) == 2
    assert version_of("2026.11.20.232822.dev0-0123abcd") == "2026.11.20.232822.dev0"
