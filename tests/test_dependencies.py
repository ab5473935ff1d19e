"""What is installed is what was decided: versions, parts of yt-dlp, and the three locks."""

import json
import re
import tomllib
from importlib.metadata import distributions, requires, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
UV_LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))

# Left out of `yt-dlp[default]`: mutagen writes cover pictures into audio files, which we do not do,
# and is under the GPL. (brotlicffi is only for interpreters other than CPython.)
LEFT_OUT = {"mutagen"}

# A lock's entry: name and version (with a marker, the same package can have two), and its hashes.
Locked = dict[tuple[str, str], set[str]]


def direct(*, group: str | None = None) -> dict[str, Requirement]:
    """The requirements of pyproject.toml by name: those of the site, or those of a group."""
    listed = (
        PYPROJECT["dependency-groups"][group] if group else PYPROJECT["project"]["dependencies"]
    )
    return {canonicalize_name(each.name): each for each in map(Requirement, listed)}


def vendored() -> list[str]:
    """The libraries that the browser gets from us, without their versions."""
    lock = ROOT / "downloads" / "static" / "downloads" / "vendor" / "lock.json"
    return [name.rpartition("-")[0] for name in json.loads(lock.read_text(encoding="utf-8"))]


def parts_of_yt_dlp() -> dict[str, Requirement]:
    """The installed yt-dlp's requirements of its extras `default` and `deno` on this interpreter,
    by name, without those that are left out."""
    declared = [Requirement(line) for line in requires("yt-dlp") or []]
    return {
        canonicalize_name(each.name): each
        for each in declared
        if each.marker
        and not each.marker.evaluate({"extra": ""})
        and any(each.marker.evaluate({"extra": extra}) for extra in ("default", "deno"))
        and canonicalize_name(each.name) not in LEFT_OUT
    }


def oldest_allowed(requirement: Requirement) -> Version:
    """The oldest version that a requirement of ours allows. Raises ValueError without a floor."""
    floors = [
        Version(each.version) for each in requirement.specifier if each.operator in (">=", "==")
    ]
    return max(floors)


def hashes_of(package: dict[str, Any]) -> set[str]:
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    return {file["hash"] for file in files}


def uv_lock() -> Locked:
    return {
        (package["name"], package["version"]): hashes_of(package)
        for package in UV_LOCK["package"]
        if package["name"] != PYPROJECT["project"]["name"]
    }


def requirements(file: str) -> Locked:
    locked: Locked = {}
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if entry := re.match(r"([a-z0-9-]+)==([^ ;]+)", line):
            hashes = locked[entry[1], entry[2]] = set()
        elif entry := re.match(r" +--hash=(\S+)", line):
            hashes.add(entry[1])
    return locked


def locked_version(name: str) -> Version:
    (found,) = {Version(number) for package, number in uv_lock() if package == name}
    return found


def test_yt_dlp_has_the_parts_that_were_considered() -> None:
    # A part that a new release adds is a decision: list it in pyproject.toml or leave it out here.
    assert set(parts_of_yt_dlp()) == {
        "brotli",
        "certifi",
        "deno",
        "pycryptodomex",
        "requests",
        "urllib3",
        "websockets",
        "yt-dlp-ejs",
    }


@pytest.mark.parametrize("name", sorted(parts_of_yt_dlp()))
def test_no_version_of_a_part_that_we_allow_is_too_old_for_yt_dlp(name: str) -> None:
    assert oldest_allowed(direct()[name]) in parts_of_yt_dlp()[name].specifier


@pytest.mark.parametrize("name", sorted(parts_of_yt_dlp()))
def test_the_locked_version_of_a_part_is_one_that_yt_dlp_accepts(name: str) -> None:
    assert locked_version(name) in parts_of_yt_dlp()[name].specifier


def test_yt_dlp_ejs_is_pinned_as_yt_dlp_pins_it() -> None:
    # yt-dlp refuses scripts of another minor version, and YouTube then has no formats.
    pin = parts_of_yt_dlp()["yt-dlp-ejs"].specifier

    assert direct()["yt-dlp-ejs"].specifier == pin


@pytest.mark.parametrize("name", ["curl-cffi", "mutagen"])
def test_what_we_refuse_is_neither_locked_nor_installed(name: str) -> None:
    # curl-cffi connects in C, where the guard of downloads/fetch/ cannot see it.
    assert name not in {package for package, _ in uv_lock()}
    assert name not in {canonicalize_name(each.name) for each in distributions()}


@pytest.mark.parametrize(
    ("name", "oldest"),
    [
        ("daphne", "4.2.2"),  # mends CVE-2026-44545 and CVE-2026-44546
        ("yt-dlp", "2026.7.4"),  # a security release
    ],
)
def test_a_version_is_not_older_than_what_is_safe(name: str, oldest: str) -> None:
    assert locked_version(name) >= Version(oldest)


def test_what_is_installed_is_what_is_locked() -> None:
    locked = uv_lock()

    wrong = {name: version(name) for name in direct() if (name, version(name)) not in locked}

    assert wrong == {}


def test_the_locks_agree() -> None:
    site, test = requirements("requirements.lock"), requirements("requirements-test.lock")

    assert site | test == uv_lock(), "make them again: CONTRIBUTING.md says how"


def test_the_locks_hold_what_pyproject_asks_for() -> None:
    site, test = requirements("requirements.lock"), requirements("requirements-test.lock")

    assert direct().keys() <= {name for name, _ in site}
    assert direct(group="test").keys() <= {name for name, _ in test}
    for name, requirement in (direct() | direct(group="test")).items():
        assert locked_version(name) in requirement.specifier, name


@pytest.mark.parametrize("file", ["requirements.lock", "requirements-test.lock"])
def test_a_lock_names_no_place(file: str) -> None:
    # No index, no path of the machine it was made on: pip takes both from the user's own settings.
    assert "/" not in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(direct() | direct(group="test")) + vendored())
def test_a_dependency_says_why_it_is_here(name: str) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert re.search(rf"^- .*`{re.escape(name)}`.*: ", text, flags=re.M)
