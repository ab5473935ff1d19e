"""`tests/flaky.txt`: every line names a test that is there, with a reason, and lines only go."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "tests" / "flaky.txt").read_text()
LINES = [line for line in TEXT.splitlines() if not line.startswith("#")]
LINE = re.compile(r"(?P<path>tests/[\w/]+\.py)::(?P<name>\w+)\S* -- (?P<reason>.+)")


def defined_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def test_there_are_no_more_than_it_says() -> None:
    [most] = re.findall(r"^# at most: (\d+)$", TEXT, re.MULTILINE)

    assert len(LINES) <= int(most)


def test_each_line_names_a_test_and_a_reason() -> None:
    for line in LINES:
        match = LINE.fullmatch(line)

        assert match, line
        assert match["name"] in defined_in(ROOT / match["path"]), line
