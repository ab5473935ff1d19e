"""The Django admin. Importing this package registers its pages."""

from django.apps import apps

from downloads.admin import downloads, listings, others, words

words.speak(apps.get_app_config("downloads").get_models())

__all__ = ["downloads", "listings", "others"]
