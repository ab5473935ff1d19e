"""What a supervisor sees: alive, able or what is missing, and the numbers for staff."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from downloads.accounts import tokens
from tests.helpers import lives

pytestmark = pytest.mark.both_databases


@contextmanager
def unreachable_database() -> Iterator[None]:
    def refuse(execute: Callable[..., Any], *arguments: Any) -> Any:
        raise OperationalError("unable to open database file")

    with connection.execute_wrapper(refuse):
        yield


def test_healthz_needs_no_database(client: Client) -> None:
    response = client.get("/healthz")  # without the mark, a query would be an error

    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.django_db
def test_it_is_ready_with_a_live_worker(client: Client) -> None:
    lives.make_worker()

    response = client.get("/readyz")

    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.django_db
def test_it_is_not_ready_without_a_worker(client: Client) -> None:
    response = client.get("/readyz")

    assert (response.status_code, response.content) == (503, b"worker")


@pytest.mark.django_db
def test_a_worker_with_an_old_heartbeat_does_not_count(client: Client) -> None:
    lives.make_worker(heartbeat_at=lives.long_ago())

    assert client.get("/readyz").content == b"worker"


@pytest.mark.django_db
def test_it_is_not_ready_before_the_migrations(client: Client) -> None:
    lives.make_worker()
    for migration in MigrationLoader(connection).graph.leaf_nodes("downloads"):
        MigrationRecorder(connection).record_unapplied(*migration)

    response = client.get("/readyz")

    assert (response.status_code, response.content) == (503, b"migrations")


@pytest.mark.django_db
def test_it_is_not_ready_without_the_database(client: Client) -> None:
    with unreachable_database():
        response = client.get("/readyz")

    assert (response.status_code, response.content) == (503, b"database")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_only_reading_is_allowed(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.django_db
def test_metrics_are_not_for_strangers(client: Client) -> None:
    response = client.get("/metrics")

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


def test_metrics_are_not_for_every_user(client: Client, user: User) -> None:
    client.force_login(user)

    assert client.get("/metrics").status_code == 403


def test_staff_see_metrics_with_a_token(client: Client, staff: User) -> None:
    text = tokens.issue(staff, name="prometheus")

    response = client.get("/metrics", headers={"Authorization": f"Bearer {text}"})

    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_a_wrong_token_is_refused_beside_a_session(client: Client, staff: User) -> None:
    client.force_login(staff)

    assert client.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == 401


def test_metrics_count_what_is_there(client: Client, staff: User) -> None:
    lives.start(lives.submit())
    lives.submit()
    lives.make_worker(heartbeat_at=lives.long_ago())
    client.force_login(staff)

    lines = client.get("/metrics").content.decode().splitlines()

    assert 'vnsite_downloads{state="downloading"} 1' in lines
    assert 'vnsite_downloads{state="created"} 1' in lines
    assert 'vnsite_outcomes{outcome="completed"} 0' in lines
    assert "vnsite_transitions_total 5" in lines
    assert "vnsite_workers_alive 1" in lines
    assert "vnsite_slots 4" in lines
    assert "vnsite_slots_busy 1" in lines
    assert "vnsite_speed_bytes_per_second 0.0" in lines


def test_every_metric_has_help_and_type(client: Client, staff: User) -> None:
    client.force_login(staff)

    lines = client.get("/metrics").content.decode().splitlines()

    names = {line.partition(" ")[0].partition("{")[0] for line in lines if line[0] != "#"}
    assert names
    for word in ("HELP", "TYPE"):
        assert names == {line.split()[2] for line in lines if line.startswith(f"# {word} ")}
