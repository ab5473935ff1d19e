"""A site in words, as the pages of sites show it."""

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from downloads.diagnostics.sites import SiteStatus
from downloads.rules.site_limits import is_site
from downloads.rules.words import say, say_number
from downloads.web.format import duration, instant, size
from downloads.web.row_view import site_waits

MAX_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class SiteView:
    status: SiteStatus

    @property
    def host(self) -> str:
        return self.status.host

    @property
    def is_left_alone(self) -> bool:
        return self.status.left_alone is not None

    @property
    def activity(self) -> str:
        """How many of its downloads run and wait."""
        words = []
        if running := self.status.running:
            words.append(say_number("{number:,} running", "{number:,} running", number=running))
        if waiting := self.status.waiting:
            words.append(say_number("{number:,} waiting", "{number:,} waiting", number=waiting))
        return ", ".join(words) or gettext("Nothing active")

    @property
    def note(self) -> SafeString | str:
        """How it treats us, and what holds its downloads up. "": nothing."""
        if self.status.left_alone:
            return format_html("{}.", site_waits(self.status.left_alone))
        if self.status.paused_until:
            return format_html(
                gettext("Pause until {when}."), when=instant(self.status.paused_until, clock=True)
            )
        failures = self.status.site.failures
        if not failures:
            return ""
        return say_number(
            "{number} failure in a row.", "{number} failures in a row.", number=failures
        )

    @property
    def limits_in_words(self) -> str:
        """What staff have set for it."""
        site = self.status.site
        words = []
        if site.running_limit is not None:
            most = site.running_limit
            words.append(say("{most:,} at once", most=most) if most else say("any number"))
        if site.pause_seconds is not None:
            pause = site.pause_seconds
            words.append(say("pause of {time}", time=duration(pause)) if pause else say("no pause"))
        if site.rate_limit is not None:
            words.append(say("{rate}/s each", rate=size(site.rate_limit)))
        if site.proxy:
            words.append(say("through a proxy"))
        return " · ".join(words) or gettext("No limits of its own")


def list_view(statuses: list[SiteStatus], *, text: str) -> dict[str, object]:
    """Say which sites match a search, and what can be done when none does."""
    return {
        "sites": [SiteView(status=each) for each in statuses[:MAX_SHOWN]],
        "text": text,
        "left_out": max(0, len(statuses) - MAX_SHOWN),
        # A site can be given limits before its first download.
        "new_host": text if is_site(text) and text not in {each.host for each in statuses} else "",
    }
