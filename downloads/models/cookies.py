"""The cookies that users gave for sites: encrypted, and readable for their owner's downloads only.

The column `sealed` is opened in the worker, for the child that needs it, and nowhere else but in
the check of the lifecycle.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

from downloads.models.transactions import database_now, short_transaction
from downloads.rules import sealing
from downloads.rules.cookies import Cookie

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SiteCookiesQuerySet(models.QuerySet["SiteCookies"]):
    def paste(self, owner: "User", host: str, cookies: Sequence[Cookie]) -> "SiteCookies":
        """Store what a user gave for a host, instead of what was there."""
        nothing = {"sealed": b"", "summary": [], "version": 0, "updated_at": database_now()}
        with short_transaction():
            row, _ = self.get_or_create(owner=owner, host=host, defaults=nothing)
            columns = row.columns(cookies)
            self.filter(pk=row.pk).update(version=models.F("version") + 1, **columns)
            row.refresh_from_db()
        return row

    def renew(self, row: "SiteCookies", cookies: Sequence[Cookie]) -> bool:
        """Store what the site renewed of the cookies in `row`, which was read before.

        False when the user pasted or deleted them meanwhile, or another download was first: then
        nothing is stored.
        """
        unchanged = self.filter(pk=row.pk, version=row.version)
        return bool(unchanged.update(version=row.version + 1, **row.columns(cookies)))

    def for_hosts(self, owner_id: int | None, hosts: Sequence[str]) -> list["SiteCookies"]:
        """Return the rows of an owner for these hosts, in their order."""
        rows = {row.host: row for row in self.filter(owner_id=owner_id, host__in=hosts)}
        return [rows[host] for host in hosts if host in rows]


class SiteCookies(models.Model):
    """A user's cookies for one host."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="site_cookies"
    )
    host = models.CharField(max_length=253)  # see `cookies.host_of`
    sealed = models.BinaryField()  # the cookies with their values
    summary = models.JSONField()  # the same without: what may be shown
    version = models.PositiveBigIntegerField()  # counts what was pasted and renewed, from 1
    updated_at = models.DateTimeField()

    objects = SiteCookiesQuerySet.as_manager()

    class Meta:
        ordering = ["host"]
        verbose_name_plural = "cookies of sites"
        constraints = [
            models.UniqueConstraint(fields=["owner", "host"], name="cookies_of_a_site_once")
        ]

    def __str__(self) -> str:
        return self.host

    def columns(self, cookies: Sequence[Cookie]) -> dict[str, Any]:
        """Return the columns that hold these cookies. Writes nothing."""
        text = json.dumps([asdict(cookie) for cookie in cookies])
        return {
            "sealed": sealing.seal(text, secret_key=settings.SECRET_KEY, place=self._place),
            "summary": [cookie.without_value() for cookie in cookies],
            "updated_at": database_now(),
        }

    def open(self) -> list[Cookie]:
        """Decrypt the cookies. Raises Unreadable when the secret key was changed since."""
        sealed = bytes(self.sealed)
        text = sealing.unseal(sealed, secret_key=settings.SECRET_KEY, place=self._place)
        try:
            return [Cookie.from_mapping(values) for values in json.loads(text)]
        except (TypeError, ValueError):  # of a version that knew other cookies
            raise sealing.Unreadable from None

    @property
    def is_readable(self) -> bool:
        try:
            self.open()
        except sealing.Unreadable:
            return False
        return True

    @property
    def _place(self) -> str:
        return f"cookies of user {self.owner_id} for {self.host}"
