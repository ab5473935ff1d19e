"""The catalogues of translations, held against the sources. `bin/translate` runs this as a program.

Babel reads and writes the files: gettext's own programs are not on every machine.
"""

import string
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file, extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = {"es": ROOT / "downloads/locale/es/LC_MESSAGES/django.po"}
SOURCES = (("downloads", "*.py"), ("vnsite", "*.py"), ("templates", "*.html"))
KEYWORDS = {
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "marked": None,
    "say": None,
    "say_number": (1, 2),
    "_": None,
    "phrase": None,
    "phrase_number": (1, 2),
}
Extracted = tuple[int, str, Any, list[str]]


def of_template(
    file: Any, keywords: Any, comment_tags: Any, options: dict[str, Any]
) -> Iterator[Extracted]:
    """Extract from a template, by way of the Python that Django makes of it for this purpose."""
    python = templatize(file.read().decode())
    yield from extract_python(BytesIO(python.encode()), keywords, comment_tags, options)


METHODS: dict[str, str | Callable[..., Iterator[Extracted]]] = {
    "*.py": "python",
    "*.html": of_template,
}


def in_sources() -> Catalog:
    """Return the messages that the sources mark, with where they stand."""
    catalog = Catalog(fuzzy=False)
    for folder, pattern in SOURCES:
        for path in sorted((ROOT / folder).rglob(pattern)):
            for line, ids, comments, context in extract_from_file(
                METHODS[pattern], path, keywords=KEYWORDS
            ):
                place = (str(path.relative_to(ROOT)), line)
                catalog.add(ids, None, [place], auto_comments=comments, context=context)
    return catalog


def stored(language: str) -> Catalog:
    """Return the catalogue of a language as it is committed; an empty one when there is none."""
    path = FILES[language]
    if not path.exists():
        return Catalog(locale=language, project="vnsite", header_comment="", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def faults_of(message: Message) -> list[str]:
    """Return what is wrong with one translation."""
    texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
    ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
    faults = ["it is empty"] if not all(texts) else []
    if message.fuzzy:
        faults.append("it is fuzzy")
    places = [set(places_of(each)) for each in ids]
    for text in filter(None, texts):
        if set(places_of(text)) not in places:
            faults.append(f"its places are {places_of(text)} instead of {places}")
    return faults


def places_of(text: str) -> list[str]:
    """Return the places for values: `%(name)s` and `{name}`."""
    percent = [part.partition(")")[0] for part in text.split("%(")[1:]]
    if percent:
        return sorted(percent)
    try:
        return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)
    except ValueError:  # a brace that is none
        return []


def update(language: str) -> list[str]:
    """Bring the files of a language up to date, and return the messages without a translation."""
    catalog, path = stored(language), FILES[language]
    catalog.update(in_sources(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalog, width=100, sort_by_file=True, include_lineno=False)
    path.with_suffix(".mo").write_bytes(compiled(catalog))
    return [str(message.id) for message in catalog if message.id and faults_of(message)]


if __name__ == "__main__":
    missing = {language: update(language) for language in FILES}
    for language, ids in missing.items():
        sys.stdout.write(f"{language}: {len(ids)} without a good translation\n")
        sys.stdout.writelines(f"  {each}\n" for each in ids)
    sys.exit(any(missing.values()))
