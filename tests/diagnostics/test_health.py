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
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from downloads import queueing
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


def read_metrics(client: Client) -> dict[str, Metric]:
    """What a Prometheus makes of the page: its metrics by name."""
    text = client.get("/metrics").content.decode()
    return {metric.name: metric for metric in text_string_to_metric_families(text)}


def value_of(metric: Metric, **labels: str) -> float:
    (value,) = (sample.value for sample in metric.samples if sample.labels == labels)
    return value


def test_metrics_count_what_is_there(client: Client, staff: User) -> None:
    lives.start(lives.submit())
    lives.submit()
    lives.make_worker(heartbeat_at=lives.long_ago())
    client.force_login(staff)

    metrics = read_metrics(client)

    assert value_of(metrics["vnsite_downloads"], state="downloading") == 1
    assert value_of(metrics["vnsite_downloads"], state="created") == 1
    assert value_of(metrics["vnsite_outcomes"], outcome="completed") == 0
    assert value_of(metrics["vnsite_transitions"]) == 5
    assert value_of(metrics["vnsite_workers_alive"]) == 1
    assert value_of(metrics["vnsite_sites_waiting"]) == 0
    assert value_of(metrics["vnsite_queue_paused"]) == 0
    assert value_of(metrics["vnsite_oldest_waiting_seconds"]) > 0
    assert value_of(metrics["vnsite_orphans_left"]) == 0
    assert value_of(metrics["vnsite_checks"], level="failure") == 0
    assert value_of(metrics["vnsite_checks"], level="ok") > 0
    assert value_of(metrics["vnsite_slots"]) == 4
    assert value_of(metrics["vnsite_slots_busy"]) == 1
    assert value_of(metrics["vnsite_speed_bytes_per_second"]) == 0
    assert value_of(metrics["vnsite_free_bytes"], folder="media") > 0
    assert value_of(metrics["vnsite_free_bytes"], folder="temp") > 0


def test_metrics_tell_what_a_worker_uses(client: Client, staff: User) -> None:
    worker = lives.make_worker(cpu_percent=12.5, memory_bytes=2**27)
    client.force_login(staff)

    metrics = read_metrics(client)

    assert value_of(metrics["vnsite_worker_cpu_percent"], worker=worker.name) == 12.5
    assert value_of(metrics["vnsite_worker_memory_bytes"], worker=worker.name) == 2**27


def test_metrics_tell_that_the_queue_is_paused(client: Client, staff: User) -> None:
    queueing.pause_queue(actor="user:ann")
    client.force_login(staff)

    assert value_of(read_metrics(client)["vnsite_queue_paused"]) == 1


def test_every_metric_is_about_the_site_and_has_help_and_type(client: Client, staff: User) -> None:
    client.force_login(staff)

    metrics = read_metrics(client)

    assert {name for name, metric in metrics.items() if metric.type == "counter"} == {
        "vnsite_transitions"
    }
    assert all(name.startswith("vnsite_") for name in metrics)
    assert all(metric.documentation for metric in metrics.values())
    assert {metric.type for metric in metrics.values()} == {"counter", "gauge"}


def test_the_one_counter_is_named_as_prometheus_asks(client: Client, staff: User) -> None:
    client.force_login(staff)

    lines = client.get("/metrics").content.decode().splitlines()

    assert "# TYPE vnsite_transitions_total counter" in lines
    assert "vnsite_transitions_total 0.0" in lines
