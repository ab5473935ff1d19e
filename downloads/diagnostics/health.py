"""What a supervisor asks: alive, able, and the numbers for Prometheus."""

from collections.abc import Iterator, Mapping

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from downloads.accounts.tokens import user_of
from downloads.diagnostics import stats
from downloads.diagnostics.checks import unapplied_migrations
from downloads.models import Counts, Download, Site, StreamPosition, database_now
from downloads.waiting import has_live_worker

PLAIN = "text/plain; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process answers. Touches nothing else, so that a full disk restarts nobody."""
    return HttpResponse("ok", content_type=PLAIN)


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Able to download: 200 and `ok`, or 503 and the word of what is missing."""
    missing = _missing()
    return HttpResponse(missing or "ok", status=503 if missing else 200, content_type=PLAIN)


def _missing() -> str:
    try:
        if unapplied_migrations():
            return "migrations"
        return "" if has_live_worker() else "worker"
    except DatabaseError:
        return "database"


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The numbers of the whole site, so for staff only."""
    user = user_of(request)
    if user is None:
        return HttpResponse(
            "Sign in, or send a token.",
            status=401,
            headers={"WWW-Authenticate": "Bearer"},
            content_type=PLAIN,
        )
    if not user.is_staff:
        return HttpResponse("Only staff may see this.", status=403, content_type=PLAIN)
    return HttpResponse("\n".join(_lines()) + "\n", content_type=PROMETHEUS)


def _lines() -> Iterator[str]:
    alive = [worker for worker in stats.workers() if worker.alive]
    folders = {"media": settings.VNSITE.media_root, "temp": settings.VNSITE.temp_root}
    yield from _gauges(
        "vnsite_downloads", "Downloads by state.", label="state", values=Counts.objects.by_state()
    )
    yield from _gauges(
        "vnsite_outcomes",
        "Downloads that ended, by outcome.",
        label="outcome",
        values=Counts.objects.by_outcome(),
    )
    yield from _one(
        "vnsite_transitions_total",
        "Changes of state so far.",
        StreamPosition.current(),
        kind="counter",
    )
    yield from _one("vnsite_workers_alive", "Workers with a fresh heartbeat.", len(alive))
    yield from _one(
        "vnsite_sites_waiting",
        "Sites that are left alone.",
        Site.objects.waiting(database_now()).count(),
    )
    yield from _one("vnsite_slots", "Slots of live workers.", sum(each.slots for each in alive))
    yield from _one("vnsite_slots_busy", "Slots in use.", sum(each.busy for each in alive))
    yield from _one(
        "vnsite_speed_bytes_per_second",
        "Received now, together.",
        stats.speed_of(Download.objects.all()),
    )
    yield from _gauges(
        "vnsite_free_bytes",
        "Free space, by folder.",
        label="folder",
        values={name: stats.free_bytes(path) for name, path in folders.items()},
    )


def _gauges(name: str, about: str, *, label: str, values: Mapping[str, float]) -> Iterator[str]:
    """A gauge with one label. The label's values are words of ours: nothing to escape."""
    yield from _head(name, about, kind="gauge")
    for word, value in values.items():
        yield f'{name}{{{label}="{word}"}} {value}'


def _one(name: str, about: str, value: float, *, kind: str = "gauge") -> Iterator[str]:
    yield from _head(name, about, kind=kind)
    yield f"{name} {value}"


def _head(name: str, about: str, *, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
