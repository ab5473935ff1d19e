"""import_archive and export_archive, as a person calls them."""

import io
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError

from downloads.models import ArchivedMedia
from tests.management.test_commands import run

pytestmark = pytest.mark.django_db

TEXT = "youtube dQw4w9WgXcQ\nvimeo 76979871\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "archive.txt"
    file.write_text(TEXT)
    return file


def test_what_was_imported_is_exported(user: User, file: Path, tmp_path: Path) -> None:
    assert run("import_archive", str(file), "--user", "ursula")[:2] == (
        0,
        "2 added, 0 there already.\n",
    )

    code, out, err = run("export_archive", "--user", "ursula")
    assert (code, out, err) == (0, TEXT, "2 videos written.\n")
    run("export_archive", "--user", "ursula", str(tmp_path / "out.txt"))
    assert (tmp_path / "out.txt").read_text() == TEXT


def test_importing_twice_is_importing_once(user: User, file: Path) -> None:
    run("import_archive", str(file), "--user", "ursula")

    _, out, _ = run("import_archive", str(file), "--user", "ursula")

    assert out == "0 added, 2 there already.\n"


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, user: User) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(TEXT.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)

    run("import_archive", "-", "--user", "ursula")

    assert ArchivedMedia.objects.filter(owner=user).count() == 2


def test_without_a_user_it_is_the_archive_of_nobody(file: Path) -> None:
    run("import_archive", str(file))

    assert run("export_archive")[1] == TEXT


def test_one_wrong_line_imports_nothing_and_is_named(user: User, file: Path) -> None:
    file.write_text(f"{TEXT}nonsense\n")

    with pytest.raises(CommandError, match=r"(?s)^Nothing was imported\.\nLine 3: ") as refused:
        run("import_archive", str(file), "--user", "ursula")
    assert refused.value.returncode == 2
    assert not ArchivedMedia.objects.exists()


@pytest.mark.parametrize("command", ["import_archive", "export_archive"])
def test_a_file_that_cannot_be_had_is_said_in_one_line(command: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot be (read|written): ") as refused:
        run(command, str(tmp_path / "nowhere" / "archive.txt"))
    assert refused.value.returncode == 2


@pytest.mark.parametrize("command", ["import_archive", "export_archive"])
def test_an_unknown_user_is_said(command: str, file: Path) -> None:
    with pytest.raises(CommandError, match="no user named 'nina'"):
        run(command, str(file), "--user", "nina")
    assert file.read_text() == TEXT


def test_a_reader_that_leaves_early_is_said_in_one_line(file: Path) -> None:
    class Closed(StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    run("import_archive", str(file))

    with pytest.raises(CommandError, match="cannot be written: Broken pipe"):
        run("export_archive", out=Closed())
