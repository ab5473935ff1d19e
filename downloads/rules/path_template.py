"""The template of VNSITE_LIBRARY_NAMES: what an entry of the library is called. Values only."""

import re
from string import Formatter

FIELDS = frozenset({"title", "id", "site", "uploader", "date", "year"})
LONG = frozenset({"site", "uploader"})  # a name has room for one of them beside the title
DEFAULT = "{title} [{id}]"
MAX_LITERAL_BYTES = 40
MAX_FOLDERS = 2
# Of what no system takes in a name; and a name is not hidden, no option, and does not end in a dot.
NOT_A_NAME = re.compile(r'[/\\:*?"<>|]|^[-. ]|[. ]$')


class InvalidTemplate(ValueError):
    """Not a template for names. The message says why."""


def split(template: str) -> tuple[list[str], str]:
    """Part a template into those of the folders and that of the entry in them.

    Raises InvalidTemplate for anything but names with slashes between them.
    """
    *folders, name = template.split("/")
    if len(folders) > MAX_FOLDERS:
        raise InvalidTemplate(f"it has more than {MAX_FOLDERS} folders")
    for folder in folders:
        if not folder or any(field == "id" for _, field in _parts_of(folder)):
            raise InvalidTemplate("a folder has a name, without {id}")
    parts_of(name)
    return folders, name


def parts_of(template: str) -> list[tuple[str, str]]:
    """Take the template of one name apart: pairs of a literal and the field after it ("": none).

    Raises InvalidTemplate. `{id}` is required: it alone tells entries of one title apart, also
    where a file system takes upper and lower case, or two forms of one letter, for the same.
    """
    parts = _parts_of(template)
    if all(field != "id" for _, field in parts):
        raise InvalidTemplate("{id} must be in its last name")
    return parts


def _parts_of(template: str) -> list[tuple[str, str]]:
    try:
        found = list(Formatter().parse(template))
    except ValueError as error:
        raise InvalidTemplate(str(error)) from error
    fields = [field for _, field, _, _ in found if field is not None]
    if unknown := set(fields) - FIELDS:
        raise InvalidTemplate(f"{{{min(unknown)}}} is none of its fields")
    if any(form or conversion for _, _, form, conversion in found):
        raise InvalidTemplate("its fields take no format")
    if len(fields) != len(set(fields)):
        raise InvalidTemplate("no field may be in a name twice")
    if set(fields) >= LONG:
        raise InvalidTemplate("{site} and {uploader} do not fit into one name")
    literals = "".join(literal for literal, _, _, _ in found)
    if len(literals.encode()) > MAX_LITERAL_BYTES:
        raise InvalidTemplate(f"it has more than {MAX_LITERAL_BYTES} bytes beside its fields")
    if NOT_A_NAME.search(template) or not template.isprintable():
        raise InvalidTemplate("it is not a name")
    return [(literal, field or "") for literal, field, _, _ in found]
