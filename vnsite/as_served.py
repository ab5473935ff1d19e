"""Scripts and style sheets as they are served: those of a page in one file, minified.

A file of which all is imports becomes what it imports. A script's modules become functions that
run in the order in which they import each other, so that their names stay their own.
"""

import re
from pathlib import Path

IMPORT = re.compile(r'^import (?:(\{[^}]*\}|\* as \w+) from )?"\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
STYLE = re.compile(r'^@import "(\w+)\.css";\n', re.MULTILINE)
LEFT_OVER = re.compile(r"^\s*(?:import\b(?! ?[.(])|export\b|@import\b).*", re.MULTILINE)
REMARK = re.compile(r"^\s*//.*\n", re.MULTILINE)
STYLE_REMARK = re.compile(r"/\*.*?\*/", re.DOTALL)


class UnknownForm(Exception):
    """A file imports or exports in a way that is not known here. The message names it."""


def as_served(path: Path) -> str | None:
    """Return the text of one of our files as browsers get it; None: as it lies.

    Raises UnknownForm.
    """
    if path.suffix == ".js":
        text = _bundle(path) if _is_list(path, IMPORT, REMARK) else path.read_text()
        return _minified("application/javascript", text)
    if path.suffix == ".css":
        text = _joined(path) if _is_list(path, STYLE, STYLE_REMARK) else path.read_text()
        return _minified("text/css", text)
    return None


def _minified(media_type: str, text: str) -> str:
    # It brings the runtime of Go: only the process that makes the files has it, and once a version.
    import minify  # type: ignore[import-untyped]

    return str(minify.string(media_type, text))


def _is_list(path: Path, form: re.Pattern[str], remark: re.Pattern[str]) -> bool:
    text = remark.sub("", path.read_text())
    return bool(form.search(text)) and not form.sub("", text).strip()


def _joined(page: Path) -> str:
    text = STYLE.sub(lambda found: page.with_name(f"{found[1]}.css").read_text(), page.read_text())
    _refuse_left_over(page, text)
    return text


def _bundle(page: Path) -> str:
    modules: dict[Path, list[str]] = {}  # in the order in which they run, with what they export
    _add(page, modules, above=())
    del modules[page]
    # In a function, so that the minifier may give the modules short names too.
    return f"(() => {{\n{''.join(_scope(path, modules) for path in modules)}}})();\n"


def _add(path: Path, modules: dict[Path, list[str]], *, above: tuple[Path, ...]) -> None:
    if path in above:
        raise UnknownForm(f"{path.name} imports itself, by way of {above[-1].name}")
    text = path.read_text()
    for _, name in IMPORT.findall(text):
        if path.with_name(f"{name}.js") not in modules:
            _add(path.with_name(f"{name}.js"), modules, above=(*above, path))
    modules[path] = EXPORT.findall(text)


def _scope(path: Path, modules: dict[Path, list[str]]) -> str:
    def imported(found: re.Match[str]) -> str:
        names, module = found[1] or "", path.with_name(f"{found[2]}.js")
        for name in re.findall(r"(\w+)(?: as \w+)?,?\s*[,}]", names):
            if name not in modules[module]:
                raise UnknownForm(f"{path.name} imports {name}, which {module.name} has not")
        names = names.removeprefix("* as ").replace(" as ", ": ")
        return f"const {names} = module_{module.stem};\n" if names else ""

    text = EXPORT.sub("", IMPORT.sub(imported, path.read_text()))
    _refuse_left_over(path, text)
    exported = f"return {{ {', '.join(modules[path])} }};\n" if modules[path] else ""
    return f"const module_{path.stem} = (() => {{\n{text}{exported}}})();\n"


def _refuse_left_over(path: Path, text: str) -> None:
    if found := LEFT_OVER.search(text):
        raise UnknownForm(f"{path.name} has “{found[0].strip()}”, a form that is not known here")
