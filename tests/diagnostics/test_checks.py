"""What doctor, pages and the start look at: every fault is found, said, and has a remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test import override_settings
from django.utils import translation
from yt_dlp.utils._jsruntime import DenoJsRuntime

from downloads.diagnostics import checks
from downloads.diagnostics.verdict import Check, Level
from downloads.updates.state import State
from tests.helpers import lives
from tests.helpers.share import ALL, share

pytestmark = pytest.mark.both_databases


@contextmanager
def configured(**changes: Any) -> Iterator[None]:
    """The site with other settings."""
    with override_settings(VNSITE=settings.VNSITE.model_copy(update=changes)):
        yield


def names_of(found: list[Check]) -> set[str]:
    return {check.name for check in found}


@pytest.mark.django_db
def test_doctor_looks_at_everything() -> None:
    lives.make_worker()

    found = checks.run()

    of_sqlite = {"SQLite"} if connection.vendor == "sqlite" else set()
    assert names_of(found) == of_sqlite | {
        "database", "worker", "sites", "VNSITE_DATA_DIR", "VNSITE_MEDIA_DIR", "VNSITE_TEMP_DIR",
        "clocks", "search", "orphans", "history", "curl_cffi", "free space", "library", "names",
        "yt-dlp", "ffmpeg", "deno", "fence", "secret key",
    }  # fmt: skip


@pytest.mark.django_db
def test_what_is_not_fine_has_a_fix_and_what_is_fine_has_none() -> None:
    with configured(min_free_bytes=2**60):
        found = checks.run()

    assert {check.level for check in found} >= {Level.OK, Level.FAILURE}
    judged = [check for check in found if check.level is not Level.NOTE]
    assert [check for check in judged if bool(check.fix) != (check.level is not Level.OK)] == []


def test_a_folder_that_can_be_written_is_fine(tmp_path: Path) -> None:
    assert checks.check_folder("VNSITE_MEDIA_DIR", tmp_path).level is Level.OK


def test_a_look_at_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    checks.check_folder("VNSITE_MEDIA_DIR", tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_what_a_library_cannot_promise_is_a_warning(tmp_path: Path) -> None:
    with share(tmp_path / "media", tmp_path / "share", *ALL):
        check = checks.check_library(tmp_path / "media")

    assert check.level is Level.WARNING
    assert all(str(sentence) in check.sentence for sentence in checks.WEAKNESSES.values())


def test_the_names_of_entries_are_shown() -> None:
    check = checks.check_names("{site} - {title} [{id}]")

    assert "video.example.org - The title of a video [0123456789ab]" in check.sentence


def test_a_library_on_a_disk_promises_all(tmp_path: Path) -> None:
    assert checks.check_library(tmp_path).level is Level.OK

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_be_made_is_fine_and_is_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"

    assert checks.check_folder("VNSITE_MEDIA_DIR", folder).level is Level.OK
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize("folder", [Path("/proc/vnsite"), Path("/dev/null"), Path("/dev/null/x")])
def test_a_folder_that_cannot_be_written_is_a_failure(folder: Path) -> None:
    check = checks.check_folder("VNSITE_TEMP_DIR", folder)

    assert check.level is Level.FAILURE
    assert str(folder) in check.sentence
    assert "VNSITE_TEMP_DIR" in check.fix


@pytest.mark.parametrize(
    ("media", "temp", "word"),
    [
        ("a", "a", "same folder"),
        ("a/b", "a", "inside of VNSITE_TEMP_DIR"),
        ("a", "a/b", "inside of VNSITE_MEDIA_DIR"),
        ("a", "link/b", "inside of VNSITE_MEDIA_DIR"),
        ("link", "a", "same folder"),
    ],
)
def test_two_folders_in_each_others_way_are_refused(
    tmp_path: Path, media: str, temp: str, word: str
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")

    assert word in checks.folder_conflict(tmp_path / media, tmp_path / temp)


@pytest.mark.parametrize(("media", "temp"), [("a", "b"), ("a", "ab"), ("media", "tmp")])
def test_two_folders_side_by_side_are_fine(tmp_path: Path, media: str, temp: str) -> None:
    assert checks.folder_conflict(tmp_path / media, tmp_path / temp) == ""


def test_no_command_starts_with_folders_in_each_others_way(tmp_path: Path) -> None:
    with (
        configured(media_dir=tmp_path, temp_dir=tmp_path),
        pytest.raises(SystemCheckError, match="the same folder"),
    ):
        call_command("check")


def test_too_little_space_is_a_failure() -> None:
    with configured(min_free_bytes=2**60):
        found = checks.check_free_space()

    assert {check.level for check in found} == {Level.FAILURE}
    assert "1073741824.0 GiB are needed" in found[0].sentence


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("2026.11.20", Level.OK),
        ("2026.9.23", Level.OK),  # 60 days
        ("2026.09.22", Level.WARNING),  # 61
        ("2026.8.24", Level.WARNING),  # 90
        ("2026.8.23", Level.FAILURE),  # 91
        ("2026.11.20.232828.dev0", Level.OK),
        ("2026.11.23", Level.OK),  # of tomorrow, by this machine's clock
    ],
)
def test_an_old_yt_dlp_is_noticed(version: str, level: Level) -> None:
    assert checks.check_yt_dlp(version, State(), today=date(2026, 11, 22)).level is level


def test_an_update_that_failed_is_a_warning_with_its_reason() -> None:
    state = State(failure={"code": "unreachable", "at": 1.0, "message": "Connection refused"})

    check = checks.check_yt_dlp("2026.11.20", state, today=date(2026, 11, 22))

    assert check.level is Level.WARNING
    assert check.sentence == (
        "yt-dlp 2026.11.20 (stable) is 2 days old. The last update failed:"
        " The package index cannot be asked: Connection refused."
    )


def test_a_secret_key_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("k" * 50)
    path.chmod(0o640)

    with configured(secret_key="", secret_key_file=path):
        check = checks.check_secret_key()

    assert check.level is Level.WARNING
    assert "mode 0640" in check.sentence
    assert check.fix == f"chmod 600 {path}"


def test_a_secret_key_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    with configured(secret_key="", secret_key_file=tmp_path / "gone"):
        assert checks.check_secret_key().level is Level.FAILURE


def test_a_secret_key_of_the_environment_is_fine_and_not_shown() -> None:
    with configured(secret_key="s" * 40):
        check = checks.check_secret_key()

    assert check.level is Level.OK
    assert "sss" not in check.sentence


def test_problems_are_what_is_not_fine() -> None:
    assert checks.problems() == []

    cache.clear()
    with configured(temp_dir=Path("/dev/null/x"), min_free_bytes=2**60):
        found = checks.problems()

    assert names_of(found) == {"VNSITE_TEMP_DIR", "free space"}


def test_problems_are_remembered_for_some_seconds() -> None:
    checks.problems()

    with configured(min_free_bytes=2**60):
        assert checks.problems() == []


def test_the_client_that_no_guard_sees_is_warned_of_and_its_absence_explained() -> None:
    assert checks.check_impersonation(is_installed=True).level is Level.WARNING
    assert checks.check_impersonation(is_installed=False).level is Level.NOTE


@pytest.mark.django_db
def test_an_examination_is_kept_for_some_minutes() -> None:
    first = checks.recent()

    with configured(min_free_bytes=2**60):
        assert checks.recent() == first
        again = checks.recent(again=True)
        assert checks.recent() == again

    assert again.made_at > first.made_at
    assert Level.FAILURE in {check.level for check in again.checks if check.name == "free space"}


@pytest.mark.parametrize(
    ("version", "refuses_network", "level"),
    [
        (0, True, Level.WARNING),
        (7, False, Level.WARNING),
        (1, True, Level.OK),
        (7, True, Level.OK),
    ],
)
def test_a_kernel_that_cannot_fence_a_download_in_is_warned_of(
    version: int, refuses_network: bool, level: Level
) -> None:
    assert checks.check_fence(version, refuses_network=refuses_network).level is level


def test_a_plugin_that_cannot_be_loaded_is_a_failure_with_a_remedy() -> None:
    assert checks.check_plugins() == []

    with configured(extractor_plugins=("not-installed",)):
        [check] = checks.check_plugins()

    assert (check.name, check.level) == ("plugins", Level.FAILURE)
    assert "not-installed: no package of this name is installed" in check.sentence
    assert "VNSITE_EXTRACTOR_PLUGINS" in check.fix


def test_a_check_that_was_kept_speaks_to_each_reader_in_their_language() -> None:
    with configured(min_free_bytes=2**60):
        checks.problems()  # a reader of English had them made
        with translation.override("es"):
            sentence = str(checks.problems()[0].sentence)

    assert sentence.endswith("hacen falta 1073741824,0 GiB.")


@pytest.mark.parametrize(("version", "is_fine"), [("2.2.12", False), ("2.3.0", True)])
def test_a_deno_that_yt_dlp_does_not_take_is_named(
    tmp_path: Path, version: str, is_fine: bool
) -> None:
    deno = tmp_path / "deno"
    deno.write_text(f"#!/bin/sh\necho 'deno {version} (stable)'\n")
    deno.chmod(0o755)

    check = checks.check_program(deno)

    assert (check is None) is is_fine
    if check is not None:
        assert check.level is Level.WARNING
        assert "is deno 2.2, which is too old: YouTube needs 2.3 or newer" in str(check.sentence)


def test_the_oldest_deno_is_that_of_yt_dlp() -> None:
    assert DenoJsRuntime.MIN_SUPPORTED_VERSION[:2] == checks.OLDEST_DENO
