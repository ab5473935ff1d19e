"""The paths of the API, which its first request loads: see `vnsite.urls`."""

from downloads.api.operations import api

urlpatterns, APP, NAMESPACE = api.urls
