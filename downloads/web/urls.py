"""The paths of the pages, of media, health and metrics."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from downloads.web import dashboard, detail, sign_in
from downloads.web.media import media


class CorrelationIdConverter(StringConverter):
    """What cannot be a correlation id is not found, before anything looks for it."""

    regex = "[A-Za-z0-9-]{1,64}"


register_converter(CorrelationIdConverter, "correlation_id")

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("downloads/", dashboard.add, name="add"),
    path("downloads/rows", dashboard.rows, name="rows"),
    path("banners", dashboard.banners, name="banners"),
    path("downloads/<correlation_id:correlation_id>/", detail.download, name="download"),
    path("downloads/<correlation_id:correlation_id>/fragment", detail.fragment, name="fragment"),
    path("downloads/<correlation_id:correlation_id>/cancel", detail.cancel, name="cancel"),
    path("downloads/<correlation_id:correlation_id>/keep", detail.keep, name="keep"),
    path("downloads/<correlation_id:correlation_id>/retry", detail.retry, name="retry"),
    path("downloads/<correlation_id:correlation_id>/cleanup", detail.cleanup, name="cleanup"),
    path("downloads/<correlation_id:correlation_id>/delete", detail.delete, name="delete"),
    path("sites/try", dashboard.try_site, name="try_site"),
    path("media/<correlation_id:correlation_id>/<path:name>", media, name="media"),
    path("setup/", sign_in.setup, name="setup"),
    path("login/", sign_in.Login.as_view(), name="login"),
]
