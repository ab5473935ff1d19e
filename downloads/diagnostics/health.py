"""What a supervisor asks: alive, able, and the numbers for Prometheus."""

from collections.abc import Iterator, Mapping

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from downloads.accounts.tokens import user_of
from downloads.diagnostics import stats
from downloads.diagnostics.checks import unapplied_migrations
from downloads.models import Counts, Download, Site, StreamPosition, database_now
from downloads.waiting import has_live_worker

PLAIN = "text/plain; charset=utf-8"


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
    return HttpResponse(generate_latest(SiteMetrics()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class SiteMetrics(Collector):
    """The numbers of the site, read from the database when they are collected.

    In no registry: the library's default one has numbers of this process, which would differ
    between the processes of one site.
    """

    def collect(self) -> Iterator[Metric]:
        alive = [worker for worker in stats.workers() if worker.alive]
        folders = {"media": settings.VNSITE.media_root, "temp": settings.VNSITE.temp_root}
        yield _gauges("vnsite_downloads", "Downloads by state.", state=Counts.objects.by_state())
        yield _gauges(
            "vnsite_outcomes",
            "Downloads that ended, by outcome.",
            outcome=Counts.objects.by_outcome(),
        )
        yield CounterMetricFamily(
            "vnsite_transitions", "Changes of state so far.", value=StreamPosition.current()
        )
        yield GaugeMetricFamily(
            "vnsite_workers_alive", "Workers with a fresh heartbeat.", value=len(alive)
        )
        yield GaugeMetricFamily(
            "vnsite_sites_waiting",
            "Sites that are left alone.",
            value=Site.objects.waiting(database_now()).count(),
        )
        yield GaugeMetricFamily(
            "vnsite_slots", "Slots of live workers.", value=sum(each.slots for each in alive)
        )
        yield GaugeMetricFamily(
            "vnsite_slots_busy", "Slots in use.", value=sum(each.busy for each in alive)
        )
        yield GaugeMetricFamily(
            "vnsite_speed_bytes_per_second",
            "Received now, together.",
            value=stats.speed_of(Download.objects.all()),
        )
        yield _gauges(
            "vnsite_free_bytes",
            "Free space, by folder.",
            folder={name: stats.free_bytes(path) for name, path in folders.items()},
        )


def _gauges(name: str, about: str, **values: Mapping[str, float]) -> Metric:
    """Return a gauge with one label: the keyword, with the value of each of its words."""
    ((label, by_word),) = values.items()
    family = GaugeMetricFamily(name, about, labels=[label])
    for word, value in by_word.items():
        family.add_metric([word], value)
    return family
