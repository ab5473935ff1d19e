"""The table of yt-dlp's parts names all that the source overrides, replaces or reads of it."""

import ast
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yt_dlp

from downloads.fetch import downloader, examination
from downloads.updates.parts import PARTS

SOURCES = sorted(Path(downloader.__file__).parent.glob("*.py"))
NAMES = {part.rpartition(".")[2] for part in PARTS}
# Python's own; and those that are only set, to save time or memory: without them all works as well.
OTHERS = {"_exit", "_getframe", "_CACHE_MAX_SIZE", "_VALID_URL_RE", "_use_cache"}


def private_names(tree: ast.AST) -> Iterator[str]:
    """Yield the private attributes of anything but `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not is_own and not node.attr.startswith("__"):
                yield node.attr


@pytest.mark.parametrize("part", set(PARTS) - examination.ON_INSTANCES)
def test_the_installed_yt_dlp_has_the_part(part: str) -> None:
    assert pkgutil.resolve_name(part) is not NotImplemented


def test_no_private_part_that_the_source_reads_is_missing_in_the_table() -> None:
    own = {
        node.attr
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
        and isinstance(node.ctx, ast.Store)
    }
    read = {name for source in SOURCES for name in private_names(ast.parse(source.read_text()))}

    assert read - own - OTHERS <= NAMES


def test_no_method_that_is_overridden_is_missing_in_the_table() -> None:
    overridden = {
        name
        for name in vars(downloader.Downloader)
        if hasattr(yt_dlp.YoutubeDL, name) and not name.startswith("__")
    }

    assert {f"yt_dlp.YoutubeDL.YoutubeDL.{name}" for name in overridden} <= PARTS.keys()


def test_no_function_that_is_replaced_is_missing_in_the_table() -> None:
    source = Path(downloader.__file__).with_name("mending.py").read_text()
    replaced = {
        target.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    }

    assert replaced
    assert replaced <= NAMES
