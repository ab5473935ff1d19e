"""The index of the search can be made later than the database, and anew."""

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from downloads.diagnostics.database import check_search
from downloads.diagnostics.verdict import Level
from downloads.migrations._search import DOWNLOADS, TrigramIndex
from downloads.models import Download
from tests.helpers import lives

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


@pytest.mark.usefixtures("shared_db")
def test_a_missing_index_is_warned_of_and_made(user: User) -> None:
    lives.submit(user).note(title="kingfisher")
    with connection.schema_editor() as editor:
        DOWNLOADS.remove(editor)
    missing = check_search()

    call_command("index_search")

    assert (missing.level, check_search().level) == (Level.WARNING, Level.OK)
    assert "manage.py index_search" in missing.fix
    assert Download.objects.search("kingfisher").count() == 1


@pytest.mark.usefixtures("shared_db")
def test_a_database_that_refuses_the_index_stays_as_it_is(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    impossible = ["CREATE TABLE half_made (id INTEGER)", "no statement"]
    with monkeypatch.context() as refusing:
        refusing.setattr(TrigramIndex, connection.vendor, impossible)
        with pytest.raises(CommandError, match="syntax error"):
            call_command("index_search")

    lives.submit(user).note(title="kingfisher")
    assert Download.objects.search("kingfisher").count() == 1
    assert check_search().level is Level.OK
    assert "half_made" not in connection.introspection.table_names()
