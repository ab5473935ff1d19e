"""Templates place what a view model says; what does not fit into a line decides too much."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MAX_LINE = 120


def test_every_line_of_a_template_can_be_read() -> None:
    templates = list((ROOT / "templates").rglob("*.html"))
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in templates
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > MAX_LINE
    ]

    assert templates
    assert long == []
