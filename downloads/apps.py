"""The app, and what it refuses at the start."""

from django.apps import AppConfig
from django.core import checks


class DownloadsConfig(AppConfig):
    name = "downloads"

    def ready(self) -> None:
        from downloads.web.checks import refuse_folder_conflict

        checks.register(refuse_folder_conflict)
