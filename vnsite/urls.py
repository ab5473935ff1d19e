"""The paths of the site, but for /events/: see vnsite.asgi."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.urls.resolvers import RoutePattern, URLResolver

from downloads.diagnostics.health import healthz, metrics, readyz


class LoadedWhenAsked(URLResolver):
    """Paths of a module that the first request for one of them loads, or the first link to one.

    The API with its schemas is a tenth of the memory, and many never ask it.
    """

    def _populate(self) -> None:
        """Leave out the names, which are looked up below the namespace: that loads the module."""


handler400 = "downloads.web.errors.bad_request"

urlpatterns = [
    path("", include("downloads.web.urls")),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    LoadedWhenAsked(
        RoutePattern("api/v1/"), "downloads.api.urls", app_name="ninja", namespace="api"
    ),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
