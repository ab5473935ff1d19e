"""The app, by its own label: its rows have migrations of their own."""

from django.apps import AppConfig
from django.utils import translation


class LibraryConfig(AppConfig):
    name = "downloads.library"
    label = "library"
    verbose_name = translation.gettext_lazy("Library")
