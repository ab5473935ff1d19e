"""Looks after the library beside the worker's loop: the trash, the rules of subscriptions, and
files that somebody removed."""

from django.conf import settings
from django.utils import timezone

from downloads.library import quotas, removal
from downloads.library.models import Card
from downloads.subscriptions.keeping import Keeping

UPKEEP_SECONDS = 60.0
CARDS = 100  # whose files are looked for at once: a hundred thousand in 17 hours


class Upkeep:
    """One round after the other through all cards and all rules, some of them at each step."""

    def __init__(self) -> None:
        self._last = 0  # the card that was looked at last; 0: a round begins
        self._keeping = Keeping()
        self._knows_quotas = False

    def step(self) -> None:
        if self._knows_quotas:
            quotas.look_at_full()
        else:  # what the site's quota is may be new
            quotas.look_at_all()
            self._knows_quotas = True
        removal.tend()
        if settings.VNSITE.media_root.is_dir():  # else its file system is not mounted
            self._keeping.step()
            self._look()

    def _look(self) -> None:
        """Note of some cards whether their files are there."""
        following = Card.objects.filter(pk__gt=self._last).order_by("pk")
        columns = ("missing_at", "entry__path")
        whole = following.select_related("entry").prefetch_related("entry__files").only(*columns)
        cards = list(whole[:CARDS])
        for card in cards:
            missing = any(file.fault == "missing" for file in card.entry.files.all())
            if missing != (card.missing_at is not None):
                found_at = timezone.now() if missing else None
                Card.objects.filter(pk=card.pk).update(missing_at=found_at)
        self._last = cards[-1].pk if len(cards) == CARDS else 0
