"""The app: its check at the start, and its reaction to the deletion of a user."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db.models.signals import pre_delete
from django.utils import translation


class DownloadsConfig(AppConfig):
    name = "downloads"
    verbose_name = translation.gettext_lazy("Downloads")

    def ready(self) -> None:
        from downloads.diagnostics.checks import CONFIGURED, refuse_folder_conflict
        from downloads.rules import words
        from downloads.web.format import in_groups

        words.speak_with(translation.gettext, translation.ngettext, in_groups)
        checks.register(refuse_folder_conflict, CONFIGURED)
        pre_delete.connect(_let_go_of_downloads, sender=settings.AUTH_USER_MODEL)


def _let_go_of_downloads(instance: Any, **_: object) -> None:
    """Cancel the downloads of a deleted user; those that have ended stay, for staff."""
    from downloads import actions

    actions.let_go_of_all_of(instance, actor="user deleted")
