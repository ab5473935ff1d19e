"""What is no good is refused with its reason, and changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from downloads.updates.refusal import Interrupted, sentence_of
from downloads.updates.state import Home
from tests.helpers.disks import mounted
from tests.helpers.package_index import PackageIndex, newer
from tests.updates.test_updating import (
    INSTALLED_VERSION,
    MakeUpdater,
    left_over,
    refusal_of,
    used,
)

NAME = f"yt_dlp-{newer(1)}-py3-none-any.whl"
Files = dict[str, bytes]
Damage = Callable[[Files], None]


def replacing(name: str, old: bytes, new: bytes) -> Damage:
    def damage(files: Files) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return damage


def recording(old: bytes, new: bytes) -> Damage:
    """A RECORD that is not made anew, with something replaced."""

    def damage(files: Files) -> None:
        (record,) = (name for name in files if name.endswith("/RECORD"))
        files[record] = files[record].replace(old, new) + b"keep,,\n"

    return damage


def adding(name: str) -> Damage:
    return lambda files: files.update({name: b"x = 1\n"})


DAMAGED: dict[str, tuple[Damage, str, str]] = {
    "a private part": (
        replacing("yt_dlp/YoutubeDL.py", b"_forceprint", b"_force_print"),
        "part_missing",
        "yt_dlp.YoutubeDL.YoutubeDL._forceprint",
    ),
    "a part that only an instance has": (
        replacing("yt_dlp/YoutubeDL.py", b"self._ies", b"self._extractors"),
        "part_missing",
        "yt_dlp.YoutubeDL.YoutubeDL._ies",
    ),
    "a part that building does not need": (
        replacing("yt_dlp/YoutubeDL.py", b"self._pps", b"self._processors"),
        "part_missing",
        "yt_dlp.YoutubeDL.YoutubeDL._pps",
    ),
    "a name that is imported": (
        replacing("yt_dlp/utils/_utils.py", b"class DownloadError", b"class BrokenError"),
        "not_built",
        "ImportError: cannot import name",
    ),
    "an extractor's module": (
        replacing("yt_dlp/extractor/vimeo.py", b"import", b"imp ort"),
        "not_compiled",
        "SyntaxError",
    ),
    "a pattern": (
        replacing("yt_dlp/extractor/lazy_extractors.py", b"youtu\\\\.be", b"youto\\\\.be"),
        "not_matched",
        "https://youtu.be/",
    ),
    "the way to fetch": (
        replacing("yt_dlp/downloader/http.py", b"def real_download", b"def unreal_download"),
        "not_fetched",
        "page.html",
    ),
    "the way to fetch a stream": (
        replacing("yt_dlp/downloader/hls.py", b"def real_download", b"def unreal_download"),
        "not_fetched",
        "master.m3u8",
    ),
    "what it needs": (
        lambda files: files.update(
            {
                name: body.replace(b"Requires-Dist: requests<3,>=2", b"Requires-Dist: requests>=9")
                for name, body in files.items()
                if name.endswith("/METADATA")
            }
        ),
        "needs",
        "requests",
    ),
    "a hash in its RECORD": (recording(b"sha256=", b"sha256=0"), "bad_wheel", "RECORD"),
    "the version in its metadata": (
        lambda files: files.update(
            {
                name: body.replace(newer(1).encode(), newer(2).encode())
                for name, body in files.items()
                if name.endswith("/METADATA")
            }
        ),
        "bad_wheel",
        "another version",
    ),
    "a path that leads outside": (adding("yt_dlp/../../evil.py"), "bad_wheel", "evil.py"),
    "an absolute path": (adding("/tmp/evil.py"), "bad_wheel", "evil.py"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_release_with_damage_is_refused(
    updater: MakeUpdater, home: Home, index: PackageIndex, what: str
) -> None:
    damage, code, word = DAMAGED[what]
    index.release(newer(1), damage=damage)

    refusal = refusal_of(lambda: updater().update(is_asked=True))

    state = home.read()
    assert refusal.code == code, refusal
    assert word in str(refusal)
    assert (used(home), state.newest) == (INSTALLED_VERSION, newer(1))
    assert sentence_of(state.failure) == str(refusal)
    assert left_over(home) == []
    assert not [path for path in home.path.iterdir() if path.is_dir()]


def test_a_refused_release_is_tried_again_only_when_somebody_asks(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    name = index.release(newer(1), damage=recording(b"sha256=", b"sha256=0"))
    refusal_of(lambda: updater().update(is_asked=False))

    state = updater().update(is_asked=False)
    assert index.hits[name] == 1
    assert state.failure["code"] == "bad_wheel"

    refusal_of(lambda: updater().update(is_asked=True))
    assert index.hits[name] == 2


def test_the_failure_is_forgotten_when_a_later_release_works(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    index.release(newer(1), damage=recording(b"sha256=", b"sha256=0"))
    refusal_of(lambda: updater().update(is_asked=False))
    index.release(newer(2))

    state = updater().update(is_asked=False)

    assert (used(home), state.failure) == (newer(2), {})


def test_a_release_with_which_a_plugin_does_not_load_is_refused(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    index.release(newer(1))

    refusal = refusal_of(lambda: updater(plugins=("no-such-plugin",)).update(is_asked=True))

    assert refusal.code == "not_built"
    assert "no-such-plugin: no package of this name is installed" in str(refusal)
    assert used(home) == INSTALLED_VERSION


# The index


def lie_about_the_hash(index: PackageIndex) -> None:
    index.files["yt-dlp"][0]["hashes"] = {"sha256": "0" * 64}


def send_less(index: PackageIndex) -> None:
    index.bodies[NAME] = index.bodies[NAME][:1000]


def send_more(index: PackageIndex) -> None:
    index.bodies[NAME] += b"!"


def send_something_else(index: PackageIndex) -> None:
    body = b"<!doctype html>"
    index.bodies["yt-dlp"] = body


def fail(index: PackageIndex) -> None:
    index.status = 503


def have_no_scripts(index: PackageIndex) -> None:
    index.files["yt-dlp-ejs"] = []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (lie_about_the_hash, "wrong_hash"),
        (send_less, "wrong_hash"),
        (send_more, "bad_index"),
        (send_something_else, "bad_index"),
        (fail, "unreachable"),
        (have_no_scripts, "no_release"),
    ],
)
def test_an_index_that_lies_or_fails_changes_nothing(
    updater: MakeUpdater,
    home: Home,
    index: PackageIndex,
    fault: Callable[[PackageIndex], None],
    code: str,
) -> None:
    index.release(newer(1))
    fault(index)

    refusal = refusal_of(lambda: updater().update(is_asked=True))

    assert refusal.code == code, refusal
    assert home.read().failure["code"] == code
    assert used(home) == INSTALLED_VERSION
    assert left_over(home) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/simple/", "Connection refused"),
        ("http://no-such-host.invalid/", "Name or service not known"),
    ],
)
def test_without_a_network_the_reason_is_said(
    updater: MakeUpdater, home: Home, url: str, reason: str
) -> None:
    refusal = refusal_of(updater(index_url=url).look)

    assert str(refusal) == f"The package index cannot be asked: {reason}."
    assert home.read().tried_at
    assert not home.read().looked_at


def test_from_an_index_over_https_nothing_comes_without(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    from downloads.updates.index import Index

    asked = Index("https://index.example/simple/", should_stop=lambda: False)

    refusal = refusal_of(lambda: asked._require_safe(index.url))

    assert refusal.code == "bad_index"


# The disk


def test_room_that_is_to_be_left_free_is_left(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    index.release(newer(1))

    refusal = refusal_of(lambda: updater(min_free_bytes=2**60).update(is_asked=True))

    assert refusal.code == "no_room"
    assert index.hits[NAME] == 0


@pytest.mark.parametrize("size", ["2m", "8m", "20m"], ids=["fetched", "unpacked", "compiled"])
def test_on_a_full_disk_nothing_is_left(
    updater: MakeUpdater,
    home: Home,
    index: PackageIndex,
    monkeypatch: pytest.MonkeyPatch,
    size: str,
) -> None:
    monkeypatch.setattr("downloads.updates.updating.UNPACKED_FACTOR", 0)
    index.release(newer(1))
    with mounted(home.path, f"size={size}"):
        refusal = refusal_of(lambda: updater().update(is_asked=True))

        assert (refusal.code, refusal.data["message"]) == ("no_room", "No space left on device")
        assert (left_over(home), used(home)) == ([], INSTALLED_VERSION)
        assert home.read().refused == ()  # the set is not at fault


# The machine


def test_a_trial_whose_process_is_killed_blames_nobody(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    """It may be for want of memory."""
    index.release(
        newer(1),
        damage=replacing("yt_dlp/version.py", b"CHANNEL", b"import os; os.kill(os.getpid(), 9)\n_"),
    )

    refusal = refusal_of(lambda: updater().update(is_asked=True))

    assert refusal.code == "no_process"
    assert (home.read().refused, used(home), left_over(home)) == ((), INSTALLED_VERSION, [])


# An interruption


def test_an_update_that_is_told_to_stop_leaves_nothing(
    updater: MakeUpdater, home: Home, index: PackageIndex
) -> None:
    index.release(newer(1))
    asked: list[Any] = []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 20  # in the middle of the file

    with pytest.raises(Interrupted):
        updater(should_stop=should_stop).update(is_asked=True)

    assert (left_over(home), used(home)) == ([], INSTALLED_VERSION)
    assert home.read().failure == {}


def test_two_updates_at_once_are_one(updater: MakeUpdater, home: Home, index: PackageIndex) -> None:
    index.release(newer(1))
    with home.locked():
        refusal = refusal_of(lambda: updater().update(is_asked=True))

    assert refusal.code == "busy"
    assert home.read().failure == {}
    assert used(home) == INSTALLED_VERSION
