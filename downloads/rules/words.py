"""Sentences of this floor, in the language of whoever reads them.

This floor knows no Django. The site hands it Django's gettext when it starts; before that, and
wherever no language was chosen (the worker, a child, a command, the API), sentences are English.
"""

from collections.abc import Callable
from dataclasses import dataclass


def _english_number(one: str, many: str, number: int) -> str:
    return one if number == 1 else many


@dataclass
class _Catalogue:
    gettext: Callable[[str], str] = str
    ngettext: Callable[[str, str, int], str] = _english_number


_catalogue = _Catalogue()


def speak_with(gettext: Callable[[str], str], ngettext: Callable[[str, str, int], str]) -> None:
    """Look sentences up by these from now on, in all threads."""
    _catalogue.gettext, _catalogue.ngettext = gettext, ngettext


def marked(text: str) -> str:
    """Mark a constant for translation, and return it as it is: `say` it where it is shown."""
    return text


def translated(text: str) -> str:
    """Return a text in the reader's language, its {places} as they are."""
    return _catalogue.gettext(text) if text else ""


def say(sentence: str, /, **values: object) -> str:
    """Return a sentence in the reader's language, with `values` at its {places}."""
    return translated(sentence).format(**values)


def say_number(one: str, many: str, /, number: int, **values: object) -> str:
    """Return the sentence for a number, with `values` and the {number} at their places."""
    return _catalogue.ngettext(one, many, number).format(number=number, **values)
