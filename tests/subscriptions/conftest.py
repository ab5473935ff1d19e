"""A feed that grows, of videos that are all one film."""

from collections.abc import Callable

import pytest

from tests.helpers.lists import feed
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Request, ScriptedSite
from tests.helpers.worker import running_worker
from tests.library.conftest import shelve

__all__ = ["shelve"]  # for the entries that a subscription keeps


class GrowingFeed:
    """Each item is a link of its own to the film."""

    def __init__(self, site: ScriptedSite, film: bytes) -> None:
        self._site = site
        self._answer = Answer(body=film, media_type="video/mp4")
        self.links: list[str] = []  # the newest first
        self.url = site.serve("/feed", self._serve)

    def _serve(self, _request: Request) -> Answer:
        return Answer(body=feed(*self.links), media_type="application/rss+xml")

    def grow(self, number: int = 1, *, at: int = 0) -> None:
        """Add so many items, in front of the one at this place."""
        for _ in range(number):
            path = f"/film-{len(self.links) + 1}.mp4"
            self.links.insert(at, self._site.serve(path, self._answer))


@pytest.fixture
def growing(scripted_site: ScriptedSite, media_server: MediaServer) -> GrowingFeed:
    return GrowingFeed(scripted_site, media_server.file("small.mp4").read_bytes())


@pytest.fixture
def run(scripted_site: ScriptedSite) -> Callable[[], None]:
    """Let a worker do all that there is to do."""

    def run() -> None:
        with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=scripted_site.origin) as worker:
            assert worker.wait() == 0

    return run
