"""The operations on sites. Wiring, as `operations`."""

from typing import Annotated, Any

from django.http import Http404, HttpRequest
from ninja import Query, Router, Status

from downloads.api.auth import user_of
from downloads.api.schemas import Invalid, Problem
from downloads.api.site_schemas import SiteLimits, SiteList, SiteOut
from downloads.diagnostics.sites import SiteStatus, site_status, sites_of
from downloads.models import Site
from downloads.rules.site_limits import MAX_HOST_LENGTH, is_site, meant_proxy

router = Router(by_alias=True)

STAFF_ONLY = "Only staff may do this."
REFUSED: dict[int, Any] = dict.fromkeys((401, 403, 404), Problem)


@router.get("", response={200: SiteList, 401: Problem, 422: Invalid}, summary="List sites")
def list_sites(
    request: HttpRequest, q: Annotated[str, Query(max_length=MAX_HOST_LENGTH)] = ""
) -> SiteList:
    """Staff get every site that refused us, has limits or has active downloads; others get the
    sites of their own active downloads. First those that are left alone, then by host. `q`: a part
    of the host."""
    user = user_of(request)
    found = sites_of(user, text=q.strip())
    return SiteList(items=[SiteOut.of(each, for_staff=user.is_staff) for each in found])


@router.get("/{host}", response={200: SiteOut, **REFUSED}, summary="One site")
def get_site(request: HttpRequest, host: str) -> SiteOut:
    return _shown(request, host)


@router.put(
    "/{host}",
    response={200: SiteOut, **REFUSED, 422: Invalid},
    summary="Set the limits of a site",
)
def put_site(request: HttpRequest, host: str, limits: SiteLimits) -> SiteOut | Status[Problem]:
    """For staff. They hold for what begins from now on. A site needs no download to have limits."""
    if not user_of(request).is_staff:
        return Status(403, Problem(detail=STAFF_ONLY))
    proxy = meant_proxy(limits.proxy, stored=_find(request, host).site.proxy)
    Site.objects.set_limits(host, **{**limits.model_dump(), "proxy": proxy})
    return _shown(request, host)


@router.post("/{host}/try", response={204: None, **REFUSED}, summary="Try a site that waits")
def try_site(request: HttpRequest, host: str) -> Status[Problem | None]:
    """For staff. The site's downloads may begin at once, until the next failure."""
    if not user_of(request).is_staff:
        return Status(403, Problem(detail=STAFF_ONLY))
    # PostgreSQL refuses to look for a NUL.
    if "\0" in host or not Site.objects.try_now(host):
        return Status(404, Problem(detail="This site does not wait."))
    return Status(204, None)


def _shown(request: HttpRequest, host: str) -> SiteOut:
    return SiteOut.of(_find(request, host), for_staff=user_of(request).is_staff)


def _find(request: HttpRequest, host: str) -> SiteStatus:
    """Raise Http404 for what is not a site, and for one of others' downloads alike."""
    status = site_status(user_of(request), host) if is_site(host) else None
    if status is None:
        raise Http404
    return status
