"""The app of subscriptions, with tables of its own."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class SubscriptionsConfig(AppConfig):
    name = "downloads.subscriptions"
    label = "subscriptions"
    verbose_name = gettext_lazy("Subscriptions")
