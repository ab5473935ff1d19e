"""The dashboard shows the downloads as they are at one instant, whatever happens meanwhile."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client

from downloads.models import StreamPosition
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.usefixtures("shared_db", "clean_disk"),
]


@contextmanager
def before_each_query_for_keys(act: Callable[[], object]) -> Iterator[None]:
    """Have somebody else act, with a connection of their own, before each group is looked into."""

    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    def wrapper(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('SELECT "downloads_download"."id" AS'):
            other = threading.Thread(target=run)
            other.start()
            other.join()
        return execute(sql, *rest)

    with connection.execute_wrapper(wrapper):
        yield


def test_a_download_that_begins_meanwhile_is_shown_once(user: User) -> None:
    browser = Client()
    browser.force_login(user)
    waiting = [lives.submit(user) for _ in range(4)]
    worker = lives.make_worker()
    before = StreamPosition.current()
    begun: list[int | None] = []

    def claim() -> None:
        claimed = lives.claim_next(worker)
        begun.append(claimed and claimed.pk)

    with before_each_query_for_keys(claim):
        page = browser.get("/").content.decode()

    assert begun[:3] == [each.pk for each in waiting[:3]]
    rows = re.findall(r'data-row="([^"]+)"', page)
    assert sorted(rows) == sorted(each.correlation_id for each in waiting)
    assert f'data-seq="{before}"' in page
