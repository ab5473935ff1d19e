"""What we did not write: in folders of its own, unchanged, each with its licence."""

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = ROOT / "downloads/static/downloads"
VENDOR = STATIC / "vendor"
LOCK = json.loads((VENDOR / "lock.json").read_text())
MAX_CSS_BYTES = 20 * 1024


def test_every_folder_is_in_the_lock() -> None:
    folders = {path.name for path in VENDOR.iterdir() if path.is_dir()}

    assert folders == set(LOCK)


@pytest.mark.parametrize("name", LOCK)
def test_a_folder_holds_what_the_lock_says(name: str) -> None:
    hashes = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (VENDOR / name).iterdir()
    }

    assert hashes == LOCK[name]["sha256"]


@pytest.mark.parametrize("name", LOCK)
def test_a_folder_has_a_version_and_a_licence(name: str) -> None:
    assert re.fullmatch(r"[a-z.-]+-\d+\.\d+\.\d+", name)
    assert LOCK[name]["licence"]
    assert (VENDOR / name / "LICENSE").stat().st_size > 0


def icons_in_use() -> set[str]:
    templates = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
    views = "".join(path.read_text() for path in (ROOT / "downloads/web").glob("*.py"))
    return set(re.findall(r'{% icon "([a-z0-9-]+)" %}', templates)) | set(
        re.findall(r'icon="([a-z0-9-]+)"', views)
    )


def test_the_sprite_has_the_icons_in_use_and_no_others() -> None:
    sprite = (VENDOR / "lucide-static-1.62.0/icons.svg").read_text()

    assert set(re.findall(r'<symbol id="([a-z0-9-]+)"', sprite)) == icons_in_use()


def test_type_has_the_size_that_its_reader_chose() -> None:
    in_pixels = re.compile(r"font(?:-size)?:[^;}]*\dpx")
    found = [
        f"{sheet.name}: {rule[0]}"
        for sheet in STATIC.glob("*.css")
        for rule in in_pixels.finditer(sheet.read_text())
    ]

    assert found == []


def test_the_style_sheet_is_small() -> None:
    assert (STATIC / "vnsite.css").stat().st_size <= MAX_CSS_BYTES
