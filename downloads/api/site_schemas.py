"""Sites as they go over the wire: see `schemas`."""

from datetime import datetime
from typing import Self

from pydantic import Field

from downloads.api.schemas import Incoming, Outgoing
from downloads.diagnostics.sites import SiteStatus
from downloads.rules.errors import ErrorClass
from downloads.rules.manners import MAX_PAUSE_SECONDS
from downloads.rules.site_limits import (
    LEAST_RATE,
    MAX_PROXY_LENGTH,
    MOST_RATE,
    MOST_RUNNING,
    shown_proxy,
)


class SiteLimits(Incoming):
    """What staff set for a site. What is left out is as the settings say."""

    proxy: str = Field("", max_length=MAX_PROXY_LENGTH, description="Its URL; empty: none")
    rate_limit: int | None = Field(
        None, ge=LEAST_RATE, le=MOST_RATE, description="Bytes per second of one download"
    )
    pause_seconds: float | None = Field(None, ge=0, le=MAX_PAUSE_SECONDS, allow_inf_nan=False)
    running_limit: int | None = Field(
        None, ge=0, le=MOST_RUNNING, description="Downloads at once; 0: any number"
    )


class SiteLimitsOut(Outgoing):
    proxy: str | None = Field(
        description="For staff, without user and password; sent back as it is, it changes nothing."
        " Null for others"
    )
    rate_limit: int | None
    pause_seconds: float | None
    running_limit: int | None


class BreakerOut(Outgoing):
    failures: int = Field(description="In a row")
    error_class: ErrorClass | None
    waits_until: datetime | None = Field(description="Null: it is not left alone")


class SiteOut(Outgoing):
    host: str
    limits: SiteLimitsOut
    breaker: BreakerOut
    paused_until: datetime | None
    waiting: int = Field(description="Downloads that you can see, as in `running`")
    running: int

    @classmethod
    def of(cls, status: SiteStatus, *, for_staff: bool) -> Self:
        site, left_alone = status.site, status.left_alone
        return cls(
            host=site.host,
            limits=SiteLimitsOut(
                proxy=shown_proxy(site.proxy) if for_staff else None,
                rate_limit=site.rate_limit,
                pause_seconds=site.pause_seconds,
                running_limit=site.running_limit,
            ),
            breaker=BreakerOut(
                failures=site.failures,
                error_class=ErrorClass(site.error_class) if site.error_class else None,
                waits_until=left_alone.until if left_alone else None,
            ),
            paused_until=status.paused_until,
            waiting=status.waiting,
            running=status.running,
        )


class SiteList(Outgoing):
    items: list[SiteOut]
