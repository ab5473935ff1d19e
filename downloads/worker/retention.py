"""A worker's step that prunes histories and logs, as VNSITE_HISTORY_DAYS says.

Every worker does it: what two of them choose at once, one of them prunes.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings

from downloads.disk import isolation
from downloads.models import Attempt, Download, database_now, retention
from downloads.models.retention import Place

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 24 * 3600.0  # until it begins with the first download again
BATCH = 25  # downloads in one transaction
BATCHES = 20  # in one step
PAUSE_SECONDS = 0.05  # between two of them: others write, too


class Retention:
    """Goes through the downloads in the order in which they ended, a part of them in each step."""

    def __init__(self, *, days: int, should_stop: Callable[[], bool], batch: int = BATCH) -> None:
        """`batch`: how many downloads in one transaction."""
        self._kept = timedelta(days=days)
        self._batch = batch
        self._should_stop = should_stop
        self._place = Place.before_all()
        self._began_at = time.monotonic()

    def step(self) -> None:
        self.prune(database_now())

    def prune(self, now: datetime) -> None:
        """Prune a part of what ended more than the days before `now`."""
        if time.monotonic() - self._began_at > AGAIN_SECONDS:
            # Some were cleaned, or retried and ended, after this had passed them.
            self._place, self._began_at = Place.before_all(), time.monotonic()
        pruned = 0
        for _ in range(BATCHES):
            ended = retention.ended_before(now - self._kept, after=self._place, most=self._batch)
            if ended:
                pruned += retention.prune(_without_directory(ended), days=self._kept.days)
                self._place = Place.of(ended[-1])
            if len(ended) < self._batch or self._should_stop():
                break
            time.sleep(PAUSE_SECONDS)
        if pruned:
            logger.info("%d moves of old histories were pruned", pruned)


def _without_directory(ended: list[Download]) -> list[Download]:
    """Leave out downloads of which a directory is left on this machine: recovery comes first."""
    prunable = {download.pk: download for download in retention.with_history(ended)}
    attempts = Attempt.objects.filter(download__in=prunable)
    for pk, directory in attempts.values_list("download_id", "directory"):
        is_known = pk in prunable and directory == prunable[pk].directory
        if not is_known and isolation.is_there(settings.VNSITE.temp_root, directory):
            prunable.pop(pk, None)
    return list(prunable.values())
