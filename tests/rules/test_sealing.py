"""Sealed texts: readable with the key and in the place that they were made for, and not else."""

import pytest

from downloads.rules.sealing import Unreadable, seal, unseal

KEY, TEXT, PLACE = "k" * 50, "secret of a cookie ü", "row 1"


def test_a_sealed_text_is_read_with_its_key_in_its_place() -> None:
    sealed = seal(TEXT, secret_key=KEY, place=PLACE)

    assert unseal(sealed, secret_key=KEY, place=PLACE) == TEXT


def test_it_shows_nothing_and_is_another_each_time() -> None:
    first, second = (seal(TEXT, secret_key=KEY, place=PLACE) for _ in range(2))

    assert b"secret" not in first
    assert first != second


@pytest.mark.parametrize(
    ("key", "place", "change"),
    [
        ("K" * 50, PLACE, bytes),
        (KEY, "row 2", bytes),
        (KEY, PLACE, lambda sealed: sealed[:-1]),
        (KEY, PLACE, lambda sealed: sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:]),
        (KEY, PLACE, lambda sealed: b""),
        (KEY, PLACE, lambda sealed: sealed[:5]),
    ],
)
def test_it_is_unreadable_with_another_key_in_another_place_and_when_changed(
    key: str, place: str, change: object
) -> None:
    assert callable(change)
    sealed = change(seal(TEXT, secret_key=KEY, place=PLACE))

    with pytest.raises(Unreadable):
        unseal(sealed, secret_key=key, place=place)
