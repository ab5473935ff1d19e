"""Sentences of this floor, in the language of whoever reads them.

This floor knows no Django. The site hands it Django's gettext, and how numbers are grouped, when it
starts; before that, and wherever no language was chosen (the worker, a child, a command, the API),
sentences are English.
"""

from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter
from typing import Any


def _english_number(one: str, many: str, number: int) -> str:
    return one if number == 1 else many


def _english_groups(number: int) -> str:
    return f"{number:,}"


@dataclass
class _Catalogue:
    gettext: Callable[[str], str] = str
    ngettext: Callable[[str, str, int], str] = _english_number
    in_groups: Callable[[int], str] = _english_groups


_catalogue = _Catalogue()


class _Sentences(Formatter):
    """Writes a number at a place like {number:,} as the reader does."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return grouped(value) if format_spec == "," else str(format(value, format_spec))


_sentences = _Sentences()


def speak_with(
    gettext: Callable[[str], str],
    ngettext: Callable[[str, str, int], str],
    in_groups: Callable[[int], str],
) -> None:
    """Look sentences up and write numbers by these from now on, in all threads."""
    _catalogue.gettext, _catalogue.ngettext = gettext, ngettext
    _catalogue.in_groups = in_groups


def marked(text: str) -> str:
    """Mark a constant for translation, and return it as it is: `say` it where it is shown."""
    return text


def translated(text: str) -> str:
    """Return a text in the reader's language, its {places} as they are."""
    return _catalogue.gettext(text) if text else ""


def say(sentence: str, /, **values: object) -> str:
    """Return a sentence in the reader's language, with `values` at its {places}."""
    return _sentences.format(translated(sentence), **values)


def say_number(one: str, many: str, /, number: int, **values: object) -> str:
    """Return the sentence for a number, with `values` and the {number} at their places."""
    return _sentences.format(_catalogue.ngettext(one, many, number), number=number, **values)


def grouped(number: int) -> str:
    """Write a whole number with its digits in groups, as the reader does: 12,345 or 12.345."""
    return _catalogue.in_groups(number)
