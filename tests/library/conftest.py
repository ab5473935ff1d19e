"""Entries of the library, each with its card."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from downloads.library import catalogue, subtitles
from downloads.library.models import Card
from downloads.models import Download
from tests.helpers import lives

Shelve = Callable[..., Card]


@pytest.fixture
def shelve(clean_disk: None) -> Shelve:
    """Complete a download with a title, and make the card of its entry."""

    def shelve(
        owner: User | None,
        title: str = "A talk",
        *,
        about: dict[str, Any] | None = None,
        **media: Any,
    ) -> Card:
        name = media.pop("name", "clip.mp4")
        role = {"beside": media.pop("beside", ())}
        listed_in = media.pop("listed_in", None)
        download = lives.submit(owner, url=media.pop("url", ""))
        Download.objects.filter(pk=download.pk).update(title=title, listed_in=listed_in)
        download = lives.complete(download, name=name, media=media, **role)
        Download.objects.filter(pk=download.pk).update(manifest={"about": about or {}})
        while catalogue.catch_up() or subtitles.read_some():
            pass
        return Card.objects.get(entry__download=download)

    return shelve
