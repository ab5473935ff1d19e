"""Hosts with their sets of extractors, in words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from packaging.version import Version

from downloads.models import Extractors, Wanted
from downloads.rules.words import marked, say, say_number
from downloads.updates.refusal import sentence_of
from downloads.updates.state import INSTALLED, State, age_days, channel_of, version_of
from downloads.web.actors import actor_in_words
from downloads.web.format import instant

MODES = {
    "check": marked("A worker looks once a day."),
    "auto": marked("A worker looks once a day, and brings what is newer."),
    "off": marked("Off, by VNSITE_EXTRACTORS_UPDATE: nothing is asked of the package index."),
}
WISHES = {
    Wanted.LOOK: marked("{name} asked for a look, {when}."),
    Wanted.UPDATE: marked("{name} asked for an update, {when}."),
    Wanted.ROLLBACK: marked("{name} asked for the way back, {when}."),
}
Fact = tuple[str, SafeString | str]


class Button(NamedTuple):
    wanted: Wanted
    words: str
    icon: str
    is_primary: bool = False


@dataclass(frozen=True, kw_only=True)
class HostView:
    row: Extractors
    has_worker: bool
    today: date

    @property
    def state(self) -> State:
        return State.from_dict(self.row.state)

    @property
    def used(self) -> str:
        """The version that new attempts use; "" before a worker has said so."""
        return str(self.row.state.get("used", ""))

    @property
    def newer(self) -> str:
        """The newest version, if it is newer than the one that is used; else ""."""
        newest = self.state.newest
        is_newer = self.used and newest and Version(newest) > Version(self.used)
        return newest if is_newer else ""

    @property
    def facts(self) -> Iterator[Fact]:
        state = self.state
        if self.used:
            used = say_number(
                "yt-dlp {version}, {channel}, {number} day old",
                "yt-dlp {version}, {channel}, {number} days old",
                number=age_days(self.used, today=self.today),
                version=self.used,
                channel=channel_of(self.used),
            )
            yield gettext("In use"), used
        yield gettext("Channel"), self.row.channel
        if state.newest:
            looked = instant(_at(state.looked_at), relative=True)
            newest = format_html(
                gettext("{version}, {channel}, seen {when}"),
                version=state.newest,
                channel=state.channel,
                when=looked,
            )
            yield gettext("Newest known"), newest
        yield gettext("Updates"), say(MODES.get(self.row.mode, self.row.mode))
        if self.row.wanted and self.row.wanted_at:
            asked = format_html(
                gettext(WISHES[Wanted(self.row.wanted)]),
                name=actor_in_words(self.row.wanted_by),
                when=instant(self.row.wanted_at, relative=True),
            )
            yield gettext("Asked"), format_html("{} {}", asked, self._who_does_it)

    @property
    def _who_does_it(self) -> str:
        if self.has_worker:
            return gettext("A worker is at it.")
        return gettext("No worker of this host is running.")

    @property
    def failure(self) -> SafeString | str:
        """Why the last update failed, and when; "" when it did not."""
        failure = self.state.failure
        if not failure:
            return ""
        when = instant(_at(float(failure.get("at", 0))), relative=True)
        return format_html("{} ({})", sentence_of(failure), when)

    @property
    def buttons(self) -> Iterator[Button]:
        state = self.state
        if self.row.mode != "off":
            newer = self.newer
            words = say("Update to {version}", version=newer) if newer else gettext("Update")
            yield Button(Wanted.UPDATE, words, "download", is_primary=bool(self.newer))
            yield Button(Wanted.LOOK, gettext("Look for a newer one"), "refresh-cw")
        if state.previous is not None:
            is_installed = state.previous == INSTALLED
            words = (
                gettext("Go back to what was installed")
                if is_installed
                else say("Go back to {version}", version=version_of(state.previous))
            )
            yield Button(Wanted.ROLLBACK, words, "rotate-ccw")


def newer_sets(rows: Iterable[Extractors], *, today: date) -> Iterator[HostView]:
    """Yield the hosts that could have a newer set, and leave it to a person to bring it."""
    for row in rows:
        view = HostView(row=row, has_worker=True, today=today)
        if view.newer and row.mode == "check":
            yield view


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
