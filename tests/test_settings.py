"""Django's settings, as far as they are made from ours and not merely written down."""

from pathlib import Path

import pytest
from django.db import connection

from vnsite.settings import database_of


def test_a_sqlite_url_names_a_file_and_its_directory_is_made(tmp_path: Path) -> None:
    database = database_of(f"sqlite:///{tmp_path}/new/x.sqlite3")

    assert database["NAME"] == f"{tmp_path}/new/x.sqlite3"
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert (tmp_path / "new").is_dir()


def test_a_postgresql_url_has_no_options_of_sqlite() -> None:
    database = database_of("postgres://ada:secret@db.example:5433/vnsite")

    names = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
    assert [database[name] for name in names] == [
        "django.db.backends.postgresql", "vnsite", "ada", "secret", "db.example", 5433,
    ]  # fmt: skip
    assert "transaction_mode" not in database["OPTIONS"]
    assert database["CONN_HEALTH_CHECKS"] is True


def test_options_in_the_url_win() -> None:
    options = database_of("postgres://db.example/vnsite?sslmode=require&connect_timeout=3")[
        "OPTIONS"
    ]

    assert (options["sslmode"], int(options["connect_timeout"])) == ("require", 3)
    assert options["tcp_user_timeout"] == 20_000


@pytest.mark.postgresql
@pytest.mark.django_db
def test_the_isolation_is_read_committed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("read committed",)
