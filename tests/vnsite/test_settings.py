"""Django's settings, as far as they are made from ours and not merely written down."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client

from tests.helpers import lives
from tests.helpers.serving import serving
from tests.helpers.worker import ROOT
from vnsite.settings import POSTGRESQL_OPTIONS, database_of

pytestmark = pytest.mark.both_databases


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


def test_the_production_settings_of_the_readme_pass_every_check_of_a_deployment(
    tmp_path: Path,
) -> None:
    production = {
        "VNSITE_DATA_DIR": str(tmp_path),
        "VNSITE_HTTPS": "true",
        "VNSITE_ALLOWED_HOSTS": "videos.example.org",
        "VNSITE_TRUSTED_PROXIES": "127.0.0.1",
    }
    readme = (ROOT / "README.md").read_text()
    assert all(name in readme for name in production)

    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **production},
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr


@pytest.mark.sqlite
@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/login/", "/", "/admin/login/", "/nowhere", "/api/v1/downloads"])
def test_every_answer_says_what_may_run_in_it(client: Client, path: str) -> None:
    headers = client.get(path).headers

    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers.get("Cache-Control") in (None, "no-store")
    assert not {"Expires", "X-Frame-Options"} & set(headers)


@pytest.mark.sqlite
@pytest.mark.usefixtures("shared_db")
def test_behind_a_proxy_that_speaks_https_nothing_else_is_spoken() -> None:
    User.objects.create_user("anna")  # without a user there is nothing to sign in to
    settings = {"VNSITE_HTTPS": "true", "VNSITE_TRUSTED_PROXIES": "127.0.0.1"}
    with serving("--no-worker", **settings) as site:
        plain = site.ask("/login/")
        encrypted = site.ask("/login/", X_Forwarded_Proto="https")
        health = site.ask("/healthz")

    assert plain.status == 301
    assert plain.headers["Location"].startswith("https://")
    assert encrypted.status == 200
    assert "max-age=31536000" in encrypted.headers["Strict-Transport-Security"]
    assert "Secure" in encrypted.headers["Set-Cookie"]
    assert health.status == 200


@pytest.mark.sqlite
@pytest.mark.usefixtures("shared_db")
def test_a_stranger_cannot_say_that_the_connection_was_encrypted() -> None:
    with serving("--no-worker", VNSITE_HTTPS="true") as site:
        answer = site.ask("/login/", X_Forwarded_Proto="https")

    assert answer.status == 301


@pytest.mark.postgresql
def test_who_falls_asleep_in_a_transaction_does_not_stop_all_others(shared_db: None) -> None:
    """A machine that was suspended there, or a process that was stopped."""
    asleep = connections.create_connection("default")
    asleep.settings_dict = asleep.settings_dict | {"OPTIONS": POSTGRESQL_OPTIONS}
    try:
        asleep.set_autocommit(False)
        with asleep.cursor() as cursor:
            cursor.execute("LOCK TABLE downloads_streamposition IN ACCESS EXCLUSIVE MODE")

        assert lives.submit().transitions.count() == 1
    finally:
        asleep.close()
