"""A newer set of extractors, from an index that the test made: brought, refused, taken back."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from downloads.fetch.client import ForkServer
from downloads.updates.refusal import Refused
from downloads.updates.state import INSTALLED, Home, State, version_of
from downloads.updates.updating import Updater
from tests.helpers.attempts import attempt, job_for, make_directory
from tests.helpers.media_server import MediaServer
from tests.helpers.package_index import INSTALLED as INSTALLED_VERSION
from tests.helpers.package_index import PackageIndex, newer, wheel_of

MakeUpdater = Callable[..., Updater]


def used(home: Home) -> str:
    """The version that a fork server started now would use."""
    return version_of(home.candidates()[0])


def left_over(home: Home) -> list[str]:
    """What lies in the folder beside the state and whole sets."""
    names = [path.name for path in home.path.iterdir()]
    return [name for name in names if name.startswith(".") and name != ".lock"]


def refusal_of(update: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        update()
    return caught.value


# A new release


def test_a_new_release_is_used_by_the_next_fork_server(
    updater: MakeUpdater, home: Home, index: PackageIndex, media_server: MediaServer, tmp_path: Path
) -> None:
    index.release(newer(1))

    state = updater().update(is_asked=True)

    assert (used(home), state.newest, state.failure) == (newer(1), newer(1), {})
    with closing(ForkServer(home.path_of(state.current))) as fork_server:
        fork_server.start()
        assert fork_server.yt_dlp == newer(1)
        job = job_for(
            media_server.url("/hls/index.m3u8"),
            make_directory(tmp_path),
            allow_private_hosts=(media_server.origin,),
        )
        assert attempt(fork_server, job).fetched
    assert left_over(home) == []


def test_a_set_is_compiled_so_that_children_need_not(updated: Home) -> None:
    folder = updated.path_of(updated.read().current)

    modules = list(folder.rglob("*.py"))
    compiled = {path.name.partition(".")[0] for path in folder.rglob("*.pyc")}
    assert modules
    assert compiled >= {path.stem for path in modules}


def test_nobody_else_can_read_a_set(updated: Home) -> None:
    assert updated.path_of(updated.read().current).stat().st_mode & 0o077 == 0


def test_what_is_there_already_is_not_fetched_again(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    name = index.release(newer(1))
    updater().update(is_asked=True)

    updater().update(is_asked=True)

    assert index.hits[name] == 1
    assert used(home) == newer(1)


def test_a_look_changes_nothing(updater: MakeUpdater, home: Home, index: PackageIndex) -> None:
    name = index.release(newer(3))

    state = updater().look()

    assert state.newest == newer(3)
    assert state.looked_at
    assert used(home) == INSTALLED_VERSION
    assert index.hits[name] == 0


def test_an_older_release_than_the_installed_one_is_left_where_it_is(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    name = index.release(newer(-3))

    state = updater().update(is_asked=True)

    assert (state.current, state.newest, index.hits[name]) == (INSTALLED, newer(-3), 0)


def test_nightly_takes_what_is_not_released_yet_and_stable_does_not(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    index.release(newer(1))
    index.release(newer(2, nightly=True))

    assert updater().look().newest == newer(1)
    assert updater(channel="nightly").look().newest == newer(2, nightly=True)


def test_the_stable_channel_leads_back_from_a_nightly_when_somebody_asks(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    index.release(newer(1))
    index.release(newer(2, nightly=True))
    updater(channel="nightly").update(is_asked=True)
    assert used(home) == newer(2, nightly=True)

    updater(channel="stable").update(is_asked=False)
    assert used(home) == newer(2, nightly=True)

    updater(channel="stable").update(is_asked=True)
    assert used(home) == newer(1)


@pytest.mark.parametrize(
    "said",
    [
        {"yanked": "it broke"},
        {"requires-python": ">=4"},
        {"hashes": {}},
        {"tag": "py2-none-any"},
    ],
    ids=lambda said: next(iter(said)),
)
def test_a_wheel_that_is_not_for_this_machine_is_no_release(
    updater: MakeUpdater, index: PackageIndex, said: dict[str, Any]
) -> None:
    index.release(newer(1))
    index.release(newer(2), **said)

    assert updater().look().newest == newer(1)


# The runtime


def with_floor_of_deno(files: dict[str, bytes]) -> None:
    (metadata,) = (name for name in files if name.endswith("/METADATA"))
    files[metadata] = files[metadata].replace(
        b"\nRequires-Dist: deno>=", b"\nRequires-Dist: deno>=9"
    )


def test_a_runtime_comes_along_when_the_installed_one_is_too_old(
    updater: MakeUpdater, home: Home, index: PackageIndex, deno: Path
) -> None:
    index.release(newer(1), damage=with_floor_of_deno)
    for version in ("99.0.0", "98.0.0"):
        script = f'#!/bin/sh\nexec {deno} "$@"\n'.encode()
        files = {
            f"deno-{version}.data/scripts/deno": script,
            f"deno-{version}.dist-info/METADATA": f"Name: deno\nVersion: {version}\n".encode(),
        }
        index.offer("deno", version, wheel_of(files, f"deno-{version}.dist-info"))

    state = updater().update(is_asked=True)

    own = home.path_of(state.current) / "bin" / "deno"
    assert own.stat().st_mode & 0o777 == 0o700
    assert (own.parent.parent / "deno-98.0.0.dist-info").is_dir()


def test_a_runtime_that_nobody_offers_is_said(updater: MakeUpdater, index: PackageIndex) -> None:
    index.release(newer(1), damage=with_floor_of_deno)

    refusal = refusal_of(lambda: updater().update(is_asked=True))

    assert (refusal.code, refusal.data["needs"][:4]) == ("no_release", "deno")


@pytest.fixture
def deno() -> Path:
    from downloads.sandbox.programs import find_deno

    found = find_deno()
    if found is None:
        pytest.skip("deno is not installed")
    return found


# One step back


def test_one_step_leads_back_and_there_is_no_second(
    updater: MakeUpdater, updated: Home, index: PackageIndex
) -> None:
    index.release(newer(2))
    updater().update(is_asked=True)

    updater().rollback()
    assert used(updated) == newer(1)

    refusal = refusal_of(updater().rollback)
    assert (refusal.code, used(updated)) == ("nothing_before", newer(1))


def test_what_was_left_comes_back_only_when_somebody_asks(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    index.release(newer(1))
    updater().update(is_asked=True)
    updater().rollback()

    updater().update(is_asked=False)
    assert used(home) == INSTALLED_VERSION

    updater().update(is_asked=True)
    assert used(home) == newer(1)


def test_without_an_update_there_is_no_way_back(updater: MakeUpdater) -> None:
    assert refusal_of(updater().rollback).code == "nothing_before"


def test_an_old_set_is_removed_unless_a_fork_server_holds_it(updated: Home) -> None:
    folder = updated.path_of(updated.read().current)
    with updated.locked():
        updated.write(State())
        with closing(ForkServer(folder)) as fork_server:
            fork_server.start()
            updated.clean()
            assert folder.is_dir()

        updated.clean()

    assert not folder.exists()
