"""The paths of the pages, of media, health and metrics."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from downloads.web import views
from downloads.web.media import media


class CorrelationIdConverter(StringConverter):
    """What cannot be a correlation id is not found, before anything looks for it."""

    regex = "[A-Za-z0-9-]{1,64}"


register_converter(CorrelationIdConverter, "correlation_id")

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("downloads/", views.add, name="add"),
    path("downloads/rows", views.rows, name="rows"),
    path("downloads/<correlation_id:correlation_id>/", views.download, name="download"),
    path("downloads/<correlation_id:correlation_id>/fragment", views.fragment, name="fragment"),
    path("downloads/<correlation_id:correlation_id>/cancel", views.cancel, name="cancel"),
    path("downloads/<correlation_id:correlation_id>/retry", views.retry, name="retry"),
    path("downloads/<correlation_id:correlation_id>/cleanup", views.cleanup, name="cleanup"),
    path("downloads/<correlation_id:correlation_id>/delete", views.delete, name="delete"),
    path("sites/try", views.try_site, name="try_site"),
    path("media/<correlation_id:correlation_id>/<path:name>", media, name="media"),
    path("setup/", views.setup, name="setup"),
    path("login/", views.Login.as_view(), name="login"),
]
