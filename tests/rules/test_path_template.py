"""The template of names: what is taken, and what stops the start."""

import pytest

from downloads.rules.path_template import DEFAULT, InvalidTemplate, parts_of, split


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        (DEFAULT, [("", "title"), (" [", "id"), ("]", "")]),
        ("{date} {id}", [("", "date"), (" ", "id")]),
        ("{{{id}}}", [("{", ""), ("", "id"), ("}", "")]),
    ],
)
def test_a_template_is_taken_apart(template: str, parts: list[tuple[str, str]]) -> None:
    assert parts_of(template) == parts


@pytest.mark.parametrize(
    "template",
    [
        *(
            "",
            "{title}",
            "{id} {id}",
            "{id} {name}",
            "{id",
            "{id!r}",
            "{id:>9}",
            "{id.x}",
            "{}{id}",
        ),
        *(
            "../{id}",
            "/{id}",
            "a//{id}",
            "{id}/a",
            "{id}/{id}",
            "a/b/c/{id}",
            "a/./{id}",
            ".{id}",
            "-{id}",
            " {id}",
            "{id}.",
            "{id} ",
            "a:{id}",
        ),
        *("a\n{id}", "a\0{id}", "{id}" + "x" * 41, "{id}" + "\u202e"),
    ],
)
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(InvalidTemplate):
        split(template)


def test_folders_are_parted_from_the_name() -> None:
    assert split("{site}/{date}/{title} [{id}]") == (["{site}", "{date}"], DEFAULT)
