"""What one attempt learned of its site, for the attempts after it."""

import logging

from django.conf import settings

from downloads.disk import site_memory
from downloads.fetch.protocol import Learned
from downloads.rules.site_memory import MAX_LEARNED

logger = logging.getLogger(__name__)


class Learning:
    """Collects what a child says that it learned, until it has succeeded."""

    def __init__(self) -> None:
        self._learned: list[Learned] = []

    def take(self, learned: Learned) -> None:
        if len(self._learned) < MAX_LEARNED:
            self._learned.append(learned)

    def keep(self, *, is_personal: bool) -> None:
        """Keep it, unless the child had something of a person: then nobody can say whose it is.

        Never raises: without it the next attempt learns it anew.
        """
        if is_personal:
            return
        for each in self._learned:
            try:
                is_kept = site_memory.keep(
                    settings.VNSITE.memory_root,
                    each.section,
                    each.key,
                    each.value,
                    version=each.version,
                )
            except OSError as error:
                logger.warning("what was learned of a site is not kept: %s", error)
                return
            if not is_kept:
                logger.warning("the child learned what is not kept of sites: dropped")
