"""Scripts and style sheets as browsers get them: fewer files and bytes that do the same."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from downloads.sandbox.programs import find_deno
from vnsite.as_served import UnknownForm, as_served

SOURCE = Path(__file__).resolve().parents[2] / "downloads/static/downloads"
SCRIPTS, STYLES = (sorted(SOURCE.glob(kind)) for kind in ("*.js", "*.css"))
PAGES = ("dashboard", "download")
STRING = re.compile(r'"[^"\n]*"')
VALUE = re.compile(r'content: ?("[^"\n]*")')
ATTRIBUTE = re.compile(r"\[[a-z-]+[*^$~|]?=[^\]]+\]")
STRING_OR_TEMPLATE = re.compile(r'"[^"\n]*"|`[^`\n]*`')
REMARK = re.compile(r"^\s*//.*$", re.MULTILINE)


def written(folder: Path, **modules: str) -> Path:
    """Write modules, and return the path of a page that imports them."""
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    page = folder / "page.js"
    page.write_text("// All.\n\n" + "".join(f'import "./{name}.js";\n' for name in modules))
    return page


def text_of(path: Path) -> str:
    text = as_served(path)
    assert text is not None
    return text


FIRST = """\
import { step as go, Counter } from "./last.js";
const name = "first"; // own
go(name);
new Counter().tick();
"""
SECOND = """\
import * as last from "./last.js";
import {
  said,
  step,
} from "./last.js";
const name = "second";
step(name);
console.log(JSON.stringify([last.said, said]));
"""
LAST = """\
// What others use.
export const said = [];
export class Counter {
  tick() {
    step("tick");
  }
}
export function step(name) {
  said.push(name); // in order
}
export async function later() {}
"""


def test_a_bundle_does_what_its_modules_do(tmp_path: Path) -> None:
    page = written(tmp_path, first=FIRST, second=SECOND, last=LAST)
    (tmp_path / "one.js").write_text(text_of(page))

    modules, bundle = (run(tmp_path / name) for name in ("page.js", "one.js"))

    assert json.loads(bundle) == [["first", "tick", "second"]] * 2
    assert modules == bundle


def run(path: Path) -> str:
    command = [str(find_deno()), "run", "--allow-read", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "text",
    [
        'import "https://example.org/x.js";\n',
        'import x from "./other.js";\n',
        'import { x } from "./other.js"; x();\n',
        'import { x } from "./other.js"\n',
        "export default 7;\n",
        "export let x = 7;\n",
        "const x = 7;\nexport { x };\n",
        'export * from "./other.js";\n',
        'import { missing } from "./other.js";\n',
        'import { x } from "./one.js";\nexport function x() {}\n',
    ],
)
def test_a_form_that_a_bundle_does_not_know_is_refused(tmp_path: Path, text: str) -> None:
    page = written(tmp_path, other="export const x = 7;\n", one=text)

    with pytest.raises(UnknownForm, match=r"one\.js"):
        as_served(page)


def test_modules_may_name_the_module_that_they_are_of_and_load_others_later(tmp_path: Path) -> None:
    text = "const here = import.meta.url;\nexport const load = () => import(here);\n"

    served = text_of(written(tmp_path, one=text))

    assert "import.meta.url" in served
    assert "import(" in served


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_all_its_modules_in_one_file(name: str) -> None:
    text = text_of(SOURCE / f"{name}.js")
    modules = [path for path in SCRIPTS if path.stem in {"live", "patch", "keys"}]

    assert not re.search(r"\b(import\b(?!\(|\.)|export\b)", STRING.sub("", text))
    assert {word for path in modules for word in words_of(path)} - words_in(text) == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_loses_its_comments_and_none_of_its_words(path: Path) -> None:
    text = text_of(path)

    assert "// " not in STRING_OR_TEMPLATE.sub("", text)
    if path.stem not in PAGES:
        assert words_of(path) - words_in(text) == set()


def words_of(path: Path) -> set[str]:
    """The texts that a script has in quotes, but for the names of modules."""
    return set(re.findall(r'"([\w -]+)"', REMARK.sub("", path.read_text())))


def words_in(served: str) -> set[str]:
    """All that may be such a text: the minifier also makes names of some."""
    return set(re.findall(r"""(?<=["'`])[\w -]+(?=["'`])|\w+""", served))


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_a_style_sheet_loses_its_comments_and_none_of_its_rules(path: Path) -> None:
    source = re.sub(
        r'@import "(\w+\.css)";', lambda it: (SOURCE / it[1]).read_text(), path.read_text()
    )
    text = text_of(path)

    assert "/*" not in text
    assert "@import" not in text
    assert text.count("{") == source.count("{")
    source = re.sub(r"(?s)/\*.*?\*/", "", source)
    assert VALUE.findall(text) == VALUE.findall(source)
    assert len(ATTRIBUTE.findall(text)) == len(ATTRIBUTE.findall(source))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_few_bytes_of_style(page: str) -> None:
    sheets = ("vnsite", page)

    assert sum(len(text_of(SOURCE / f"{sheet}.css")) for sheet in sheets) <= 20_000
