"""Answers for supervisors: alive, able to download, and the numbers for Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from downloads.accounts.tokens import user_of
from downloads.diagnostics import checks, stats
from downloads.diagnostics.database import unapplied_migrations
from downloads.diagnostics.verdict import Level
from downloads.models import Counts, Download, Queue, Site, StreamPosition, database_now
from downloads.stream.listener import STREAM
from downloads.updates.state import age_days
from downloads.waiting import has_live_worker

PLAIN = "text/plain; charset=utf-8"


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer that this process lives. Nothing else is looked at: a full disk restarts nobody."""
    return HttpResponse("ok", content_type=PLAIN)


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 and `ok` if downloads can run, else 503 and the word of what is missing."""
    missing = _missing()
    return HttpResponse(missing or "ok", status=503 if missing else 200, content_type=PLAIN)


def _missing() -> str:
    try:
        if unapplied_migrations():
            return "migrations"
        if STREAM.is_stale:
            return "stream"
        return "" if has_live_worker() else "worker"
    except DatabaseError:
        return "database"


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer staff with the numbers of the whole site."""
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

    It is in no registry: the library's default one adds numbers of this process, which differ
    between the processes of one site.
    """

    def collect(self) -> Iterator[Metric]:
        states, outcomes = Counts.objects.by_state_and_outcome()
        yield _gauges("vnsite_downloads", "Downloads by state.", state=states)
        yield _gauges("vnsite_outcomes", "Downloads that ended, by outcome.", outcome=outcomes)
        moves = StreamPosition.current()
        yield CounterMetricFamily(
            "vnsite_transitions", "Changes of state and deletions so far.", value=moves
        )
        yield from _of_queue()
        yield from _of_workers([worker for worker in stats.workers() if worker.alive])
        levels = Counter(check.level for check in checks.recent().checks)
        by_level = {str(level): levels[level] for level in Level}
        yield _gauges("vnsite_checks", "Checks of doctor, by how they ended.", level=by_level)
        folders = {"media": settings.VNSITE.media_root, "temp": settings.VNSITE.temp_root}
        free = {name: stats.free_bytes(path) for name, path in folders.items()}
        yield _gauges("vnsite_free_bytes", "Free space, by folder.", folder=free)


def _of_queue() -> Iterator[Metric]:
    sites, downloads = Site.objects.waiting(database_now()), Download.objects.all()
    oldest_at = stats.queue_of(downloads).oldest_at
    oldest_seconds = (database_now() - oldest_at).total_seconds() if oldest_at else 0.0
    yield _gauge("sites_waiting", "Sites that are left alone.", sites.count())
    yield _gauge(
        "queue_paused", "1 while nothing new starts.", int(bool(Queue.current().paused_at))
    )
    yield _gauge(
        "oldest_waiting_seconds", "Age of what waits longest; 0: nothing waits.", oldest_seconds
    )
    speed = stats.speed_of(downloads)
    yield _gauge("speed_bytes_per_second", "Received now, together.", speed)


def _of_workers(alive: Sequence[stats.WorkerStatus]) -> Iterator[Metric]:
    yield _gauge("workers_alive", "Workers with a fresh heartbeat.", len(alive))
    yield _gauge("slots", "Slots of live workers.", sum(worker.slots for worker in alive))
    yield _gauge("slots_busy", "Slots in use.", sum(worker.busy for worker in alive))
    yield _gauge(
        "orphans_left", "What dead workers left and cannot be mended.", stats.orphans().left
    )
    cpu = {each.name: each.cpu_percent for each in alive if each.cpu_percent is not None}
    memory = {each.name: each.memory_bytes for each in alive if each.memory_bytes is not None}
    yield _gauges("vnsite_worker_cpu_percent", "Of one core, with its children.", worker=cpu)
    yield _gauges("vnsite_worker_memory_bytes", "With its children.", worker=memory)
    today = timezone.now().date()
    ages = {each.yt_dlp: age_days(each.yt_dlp, today=today) for each in alive if each.yt_dlp}
    yield _gauges("vnsite_yt_dlp_age_days", "Age of each yt-dlp in use.", version=ages)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"vnsite_{name}", about, value=value)


def _gauges(name: str, about: str, **values: Mapping[str, float]) -> Metric:
    """Return a gauge with one label: the keyword, with the value of each of its words."""
    ((label, by_word),) = values.items()
    family = GaugeMetricFamily(name, about, labels=[label])
    for word, value in by_word.items():
        family.add_metric([word], value)
    return family
