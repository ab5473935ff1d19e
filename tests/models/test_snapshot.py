"""Queries that see the database as it is at one instant, on both databases."""

import threading

import pytest
from django.db import connection, connections

from downloads.models import Download, snapshot
from tests.helpers import lives

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("shared_db")]


def submit_elsewhere() -> None:
    """Add a download with a connection of its own."""

    def submit() -> None:
        try:
            lives.submit()
        finally:
            connections.close_all()

    thread = threading.Thread(target=submit)
    thread.start()
    thread.join()


def test_what_others_write_meanwhile_is_seen_afterwards() -> None:
    with snapshot():
        before = Download.objects.count()
        submit_elsewhere()
        meanwhile = Download.objects.count()

    assert (before, meanwhile, Download.objects.count()) == (0, 0, 1)


def test_what_breaks_inside_is_raised_and_the_connection_is_of_use_afterwards() -> None:
    with pytest.raises(ValueError, match="broken"), snapshot():
        Download.objects.count()
        raise ValueError("broken")

    lives.submit()
    assert Download.objects.count() == 1


def test_one_whose_connection_is_lost_is_followed_by_a_new_one() -> None:
    with snapshot():
        Download.objects.count()
        connection.connection.close()

    assert Download.objects.count() == 0
