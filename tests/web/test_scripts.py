"""What a page loads of scripts: small, each that is named, and none with words of its own."""

import re
from pathlib import Path

import pytest

from downloads.web.words import words
from vnsite.as_served import as_served

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "downloads/static/downloads"
TEMPLATES = ROOT / "templates"
# Bytes of our own scripts, that of the worker included; htmx and uPlot left out.
PAGES = ("dashboard", "download")
MOST_BYTES = 32_000  # as they are served


def named_in(template: str) -> set[str]:
    text = (TEMPLATES / template).read_text()
    return set(re.findall(r"static 'downloads/([a-z_]+)\.js'", text))


def with_imports(name: str) -> set[str]:
    """The modules and all that they import, the worker that they start included."""
    waiting, found = [name], {name}
    for name in waiting:
        text = (STATIC / f"{name}.js").read_text()
        imported = set(re.findall(r'"\./([a-z_]+)\.js"', text)) - found
        waiting += imported
        found |= imported
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_few_bytes_of_our_scripts(page: str) -> None:
    names = with_imports(page)
    served = sum(len(as_served(STATIC / f"{name}.js") or "") for name in (page, "hub"))

    assert named_in(f"downloads/{page}.html") == {page}
    assert {"live", "hub", "patch", "keys"} <= names
    assert served <= MOST_BYTES


def test_every_word_that_a_script_says_is_there_and_every_one_there_is_said() -> None:
    scripts = "".join(path.read_text() for path in STATIC.glob("*.js"))
    known = set(words())
    said = set(re.findall(r'say\(\s*"([a-z_-]+)"', scripts))
    quoted = set(re.findall(r'"([a-z_-]+)"', scripts))
    made = {name for name in known if re.match(r"(ago|in|phase)_|.+_many$", name)}

    assert said <= known
    assert known - quoted - made == set()


@pytest.mark.parametrize("name", sorted(path.stem for path in STATIC.glob("*.js")))
def test_a_script_has_no_sentence_of_its_own(name: str) -> None:
    code = re.sub(r"^\s*//.*$|\s//\s.*$", "", (STATIC / f"{name}.js").read_text(), flags=re.M)
    sentences = re.findall(r'["`][A-Z][a-z]+[ $][^"`]*["`]', code)
    ends = re.findall(r"\$\{[^{}]*\},? (?!min\b|ms\b)[a-z]{2,}[^`]*`", code)

    assert sentences + ends == []
