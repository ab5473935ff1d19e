"""A site in words, as the pages of sites show it."""

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from downloads.diagnostics.sites import SiteStatus
from downloads.rules.site_limits import is_site
from downloads.web.format import counted, duration, instant, size
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
        """How many of its downloads run and wait; "" for none."""
        counts = {"running": self.status.running, "waiting": self.status.waiting}
        return ", ".join(f"{number:,} {verb}" for verb, number in counts.items() if number)

    @property
    def note(self) -> SafeString | str:
        """How it treats us, and what holds its downloads up. "": nothing."""
        if self.status.left_alone:
            return format_html("{}.", site_waits(self.status.left_alone))
        if self.status.paused_until:
            return format_html("Pause until {}.", instant(self.status.paused_until, clock=True))
        failures = self.status.site.failures
        return f"{counted(failures, 'failure')} in a row." if failures else ""

    @property
    def limits(self) -> list[str]:
        """What staff have set for it, in words."""
        site = self.status.site
        words = []
        if site.running_limit is not None:
            words.append(f"{site.running_limit:,} at once" if site.running_limit else "any number")
        if site.pause_seconds is not None:
            pause = site.pause_seconds
            words.append(f"pause of {duration(pause)}" if pause else "no pause")
        if site.rate_limit is not None:
            words.append(f"{size(site.rate_limit)}/s each")
        if site.proxy:
            words.append("through a proxy")
        return words


def list_view(statuses: list[SiteStatus], *, text: str) -> dict[str, object]:
    """Say which sites match a search, and what can be done when none does."""
    return {
        "sites": [SiteView(status=each) for each in statuses[:MAX_SHOWN]],
        "text": text,
        "left_out": max(0, len(statuses) - MAX_SHOWN),
        # A site can be given limits before its first download.
        "new_host": text if is_site(text) and text not in {each.host for each in statuses} else "",
    }
