"""Subscriptions in words: a row of the list, and what a preview found."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from downloads.rules.words import say, say_number
from downloads.subscriptions.models import Check, Subscription
from downloads.subscriptions.preview import Preview
from downloads.web.format import length

SHOWN_IN_PREVIEW = 20


@dataclass(frozen=True, kw_only=True)
class Row:
    """One subscription in the list."""

    subscription: Subscription
    name: str
    owner: str  # of somebody else's; "": one's own
    last: str  # what the last check found, in words; "": there was none
    last_at: datetime | None
    check: str  # the correlation id of its download; "": there is none
    state: str  # in words; "": the next check stands there
    next_at: datetime | None
    sentence: str  # of its error; "": it works
    next_step: str

    @property
    def needs_attention(self) -> bool:
        return self.subscription.needs_attention


def row_of(subscription: Subscription, last: Check | None, *, is_own: bool) -> Row:
    now, advice = timezone.now(), subscription.advice
    next_at = subscription.next_check_at
    is_due = next_at is not None and next_at <= now
    state = ""
    if subscription.is_checking:
        state = say("Being checked")
    elif subscription.is_paused:
        state = say("Paused")
    elif is_due:
        state = say("Due now")
    return Row(
        subscription=subscription,
        name=str(subscription),
        owner="" if is_own else subscription.owner.get_username(),
        last=found_in_words(last) if last else "",
        last_at=last.ended_at if last else None,
        check=last.download.correlation_id if last and last.download else "",
        state=state,
        next_at=None if state else next_at,
        sentence=say(advice.sentence) if advice else "",
        next_step=say(advice.next_step) if advice else "",
    )


def found_in_words(check: Check) -> str:
    """Say what a check found: "3 new videos · 1 left by the filters"."""
    if check.ended_at is None:
        return say("Reading the list")
    if check.error_class:
        return say("It did not work")
    words = []
    if check.added:
        words.append(
            say_number("{number:,} new video", "{number:,} new videos", number=check.added)
        )
    if check.left:
        words.append(
            say_number(
                "{number:,} left by the filters",
                "{number:,} left by the filters",
                number=check.left,
            )
        )
    if check.not_added:
        words.append(
            say_number(
                "{number:,} for which there was no room",
                "{number:,} for which there was no room",
                number=check.not_added,
            )
        )
    return " · ".join(words) or say("Nothing new")


def interval_in_words(seconds: int) -> str:
    """Say how often a list is checked, in the biggest unit that has a whole number."""
    if seconds % 86400 == 0:
        return say_number("every day", "every {number:,} days", number=seconds // 86400)
    if seconds % 3600 == 0:
        return say_number("every hour", "every {number:,} hours", number=seconds // 3600)
    if seconds % 60 == 0:
        return say_number("every minute", "every {number:,} minutes", number=seconds // 60)
    return say_number("every second", "every {number:,} seconds", number=seconds)


@dataclass(frozen=True, kw_only=True)
class Previewed:
    """What the form shows of a preview."""

    check: str  # the correlation id of the download that reads the list
    sentence: str
    is_waiting: bool  # the list is not read yet
    entries: list[tuple[str, str]]  # (title, length) of the first ones that would be fetched
    more: int  # that are not shown


def previewed(preview: Preview) -> Previewed:
    download = preview.download
    is_waiting = download.outcome is None
    entries = [
        (
            entry.title or entry.url,
            "" if entry.duration_seconds is None else length(entry.duration_seconds),
        )
        for entry in preview.entries[:SHOWN_IN_PREVIEW]
    ]
    return Previewed(
        check=download.correlation_id,
        sentence=_sentence_of(preview),
        is_waiting=is_waiting,
        entries=entries,
        more=len(preview.entries) - len(entries),
    )


def _sentence_of(preview: Preview) -> str:
    if preview.download.outcome is None:
        return say("The list is being read. Ask again in a moment.")
    if preview.listed is None:
        return say("No list was found there.")
    sentence = say_number(
        "{fetched:,} of {number:,} video would be fetched.",
        "{fetched:,} of {number:,} videos would be fetched.",
        number=preview.listed,
        fetched=len(preview.entries),
    )
    if not preview.lists:
        return sentence
    inner = say_number(
        "{number:,} list within it is read as well.",
        "{number:,} lists within it are read as well.",
        number=preview.lists,
    )
    return f"{sentence} {inner}"
