"""The template of VNSITE_LIBRARY_NAMES: what an entry of the library is called. Values only."""

import re
from string import Formatter

FIELDS = frozenset({"title", "id", "site", "date"})
DEFAULT = "{title} [{id}]"
MAX_LITERAL_BYTES = 40
# Of what no system takes in a name; and a name is not hidden, no option, and does not end in a dot.
NOT_A_NAME = re.compile(r'[/\\:*?"<>|]|^[-. ]|[. ]$')


class InvalidTemplate(ValueError):
    """Not a template for names. The message says why."""


def parts_of(template: str) -> list[tuple[str, str]]:
    """Take a template apart into pairs of a literal and the field after it ("" for none).

    Raises InvalidTemplate. `{id}` is required: it alone tells entries of one title apart, also
    where a file system takes upper and lower case, or two forms of one letter, for the same.
    """
    try:
        found = list(Formatter().parse(template))
    except ValueError as error:
        raise InvalidTemplate(str(error)) from error
    fields = [field for _, field, _, _ in found if field is not None]
    if unknown := set(fields) - FIELDS:
        raise InvalidTemplate(f"{{{min(unknown)}}} is none of its fields")
    if any(form or conversion for _, _, form, conversion in found):
        raise InvalidTemplate("its fields take no format")
    if "id" not in fields or len(fields) != len(set(fields)):
        raise InvalidTemplate("{id} must be in it, and no field twice")
    literals = "".join(literal for literal, _, _, _ in found)
    if len(literals.encode()) > MAX_LITERAL_BYTES:
        raise InvalidTemplate(f"it has more than {MAX_LITERAL_BYTES} bytes beside its fields")
    if NOT_A_NAME.search(template) or not template.isprintable():
        raise InvalidTemplate("it is not a name")
    return [(literal, field or "") for literal, field, _, _ in found]
