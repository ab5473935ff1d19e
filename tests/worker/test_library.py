"""What a worker fetches is in the library's catalogue when the worker has ended."""

from collections.abc import Callable

import pytest

from downloads.library.models import Card
from downloads.models import Reaction, StreamPosition
from tests.helpers.lists import DESCRIPTION, Catalogue
from tests.helpers.worker import submit

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")


@pytest.mark.both_databases
def test_a_card_says_what_the_site_said(catalogue: Catalogue, run: Callable[[], None]) -> None:
    download = submit(catalogue.video(7))

    run()

    card = Card.objects.get()
    assert card.entry.download == download
    assert (card.title, card.description) == ("A talk", DESCRIPTION)
    assert (card.extractor, card.kind) == ("mediasite", "video")
    assert card.size_bytes > 0
    assert Reaction.objects.get().seq == StreamPosition.current()
