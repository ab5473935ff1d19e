"""Answers for supervisors: alive, able to download, and the numbers for Prometheus."""

from collections.abc import Iterator, Mapping

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
from downloads.diagnostics import stats
from downloads.diagnostics.database import unapplied_migrations
from downloads.models import Counts, Download, Queue, Site, StreamPosition, database_now
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
        alive = [worker for worker in stats.workers() if worker.alive]
        yield _gauges("vnsite_downloads", "Downloads by state.", state=Counts.objects.by_state())
        outcomes = Counts.objects.by_outcome()
        yield _gauges("vnsite_outcomes", "Downloads that ended, by outcome.", outcome=outcomes)
        moves = StreamPosition.current()
        yield CounterMetricFamily(
            "vnsite_transitions", "Changes of state and deletions so far.", value=moves
        )
        sites, speed = Site.objects.waiting(database_now()), stats.speed_of(Download.objects.all())
        for name, about, value in (
            ("workers_alive", "Workers with a fresh heartbeat.", len(alive)),
            ("sites_waiting", "Sites that are left alone.", sites.count()),
            ("queue_paused", "1 while nothing new starts.", int(bool(Queue.current().paused_at))),
            ("slots", "Slots of live workers.", sum(worker.slots for worker in alive)),
            ("slots_busy", "Slots in use.", sum(worker.busy for worker in alive)),
            ("speed_bytes_per_second", "Received now, together.", speed),
        ):
            yield GaugeMetricFamily(f"vnsite_{name}", about, value=value)
        today = timezone.now().date()
        ages = {
            worker.yt_dlp: age_days(worker.yt_dlp, today=today) for worker in alive if worker.yt_dlp
        }
        yield _gauges("vnsite_yt_dlp_age_days", "Age of each yt-dlp in use.", version=ages)
        folders = {"media": settings.VNSITE.media_root, "temp": settings.VNSITE.temp_root}
        free = {name: stats.free_bytes(path) for name, path in folders.items()}
        yield _gauges("vnsite_free_bytes", "Free space, by folder.", folder=free)


def _gauges(name: str, about: str, **values: Mapping[str, float]) -> Metric:
    """Return a gauge with one label: the keyword, with the value of each of its words."""
    ((label, by_word),) = values.items()
    family = GaugeMetricFamily(name, about, labels=[label])
    for word, value in by_word.items():
        family.add_metric([word], value)
    return family
