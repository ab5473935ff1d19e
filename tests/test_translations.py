"""The catalogues of translations hold what the sources say, whole and compiled."""

import pytest

from tests.helpers.translations import FILES, compiled, faults_of, in_sources, stored

LANGUAGES = sorted(FILES)


def ids_of(catalog: object) -> set[object]:
    return {message.id for message in catalog if message.id}  # type: ignore[attr-defined]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_the_messages_of_the_sources_and_no_others(language: str) -> None:
    said, translated = ids_of(in_sources()), ids_of(stored(language))

    assert (said - translated, translated - said) == (set(), set())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_with_its_places(language: str) -> None:
    faults = {str(each.id): faults_of(each) for each in stored(language) if each.id}

    assert {message: fault for message, fault in faults.items() if fault} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_compiled(language: str) -> None:
    assert FILES[language].with_suffix(".mo").read_bytes() == compiled(stored(language))
