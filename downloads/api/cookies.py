"""The operations on a user's own cookies of sites. Wiring, as `operations`."""

from time import time
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from downloads.api import schemas
from downloads.api.auth import user_of
from downloads.models import SiteCookies
from downloads.rules.cookie_texts import read_cookies
from downloads.rules.cookies import host_of

router = Router(by_alias=True)

NO_COOKIES = schemas.Problem(detail="You gave no cookies of this site.")
UNKNOWN: dict[int, Any] = dict.fromkeys((401, 404), schemas.Problem)
REFUSED: dict[int, Any] = dict.fromkeys((401, 403, 413), schemas.Problem)


@router.put(
    "/sites/{host}/cookies",
    response={200: schemas.SiteCookiesOut, **REFUSED, 422: schemas.Invalid},
    summary="Give your cookies of a site",
)
def put_cookies(request: HttpRequest, host: str, sent: schemas.CookiesIn) -> schemas.SiteCookiesOut:
    """Your downloads from that site are sent with them. They replace those that were there; no
    answer has their values."""
    name = host_of(host)
    pasted = read_cookies(sent.cookies, host=name, now=time())
    row = SiteCookies.objects.paste(user_of(request), name, pasted.cookies)
    answer = schemas.SiteCookiesOut.model_validate(row)
    return answer.model_copy(update={"left_out": pasted.left_out})


@router.get(
    "/sites/{host}/cookies",
    response={200: schemas.SiteCookiesOut, **UNKNOWN, 422: schemas.Invalid},
    summary="Your cookies of a site, without their values",
)
def get_cookies(
    request: HttpRequest, host: str
) -> schemas.SiteCookiesOut | Status[schemas.Problem]:
    row = user_of(request).site_cookies.filter(host=host_of(host)).first()
    return Status(404, NO_COOKIES) if row is None else schemas.SiteCookiesOut.model_validate(row)


@router.delete(
    "/sites/{host}/cookies",
    response={204: None, **UNKNOWN, 403: schemas.Problem, 422: schemas.Invalid},
    summary="Delete your cookies of a site",
)
def delete_cookies(request: HttpRequest, host: str) -> Status[schemas.Problem | None]:
    deleted, _ = user_of(request).site_cookies.filter(host=host_of(host)).delete()
    return Status(204, None) if deleted else Status(404, NO_COOKIES)
