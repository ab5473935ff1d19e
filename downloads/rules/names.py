"""Names that a person gives to what they keep: presets, views. Pure."""

import unicodedata

from downloads.rules.words import say

MAX_NAME_LENGTH = 60  # characters
MAX_KEY_LENGTH = 3 * MAX_NAME_LENGTH  # a letter without regard to case may be three
NOT_IN_NAMES = "/\\"  # a name is a part of an address


class InvalidName(ValueError):
    """A name that cannot be given. The message is a sentence for a person."""


def key_of(name: str) -> str:
    """Return what two names of the same thing have in common: they differ in case or space."""
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()


def clean_name(text: str) -> str:
    """Return a name without superfluous space. Raises InvalidName for what is not a name."""
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not name:
        raise InvalidName(say("Enter a name."))
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidName(say("A name can have at most {most} characters.", most=MAX_NAME_LENGTH))
    if name in (".", "..") or any(
        each in NOT_IN_NAMES or unicodedata.category(each).startswith("C") for each in name
    ):
        raise InvalidName(say("A name has no slashes and no control characters."))
    return name
