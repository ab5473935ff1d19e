"""The paths of the site, but for /events/: see vnsite.asgi."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from downloads.api.operations import api
from downloads.diagnostics.health import healthz, metrics, readyz

handler400 = "downloads.web.errors.bad_request"

urlpatterns = [
    path("", include("downloads.web.urls")),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
