"""Makes the checks of subscriptions, and ends them: new entries become downloads.

A check is a download that only looks (`check`), and so leaves a listing and no files. It begins and
ends in one transaction each, behind a condition on its row: whatever is killed in between, and
however many workers there are, one check is under way at a time, and each new entry is added once.
Everybody may call every function at any time.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import Q

from downloads import actions
from downloads.models import (
    Addition,
    Download,
    Entry,
    Listing,
    Refusal,
    add_entries,
    batches,
    database_now,
    short_transaction,
    submissions,
)
from downloads.models.outage import is_outage
from downloads.rules.errors import ErrorClass
from downloads.rules.filters import InvalidFilter, TooSlow, Verdict
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.schedule import (
    ENOUGH_KNOWN,
    LONGEST_WAIT_SECONDS,
    newest_of,
    next_check_seconds,
)
from downloads.rules.states import RUNNING, Outcome, Result
from downloads.subscriptions.models import ACTOR, Check, Key, SeenEntry, Subscription, key_of

logger = logging.getLogger(__name__)

LOW_PRIORITY = -10  # behind what its owner added by hand
LOOK = DownloadOptions(check=True)  # of a check: it leaves no files, whatever the link stands for
CHECKS_AT_ONCE = 20  # of one owner: the others wait here and not in the queue
BEGUN_AT_ONCE = 100  # in one step
MAX_INNER_LISTS = 20  # that one check reads: the tabs of a channel
WHOLE_EVERY = timedelta(days=1)  # a list is read to its end so often
FULL_QUEUE_SECONDS = 900  # until the next try when the owner's queue was full
KEPT = timedelta(days=1)  # a check that brought nothing
# Videos that are announced before everybody may have them.
AGAIN_AFTER = timedelta(days=1)
AGAIN_FOR = timedelta(days=14)
AGAIN_AT_ONCE = 20  # downloads tried again after one check


def step() -> bool:
    """End the checks that are over, and begin those that are due.

    True: some ended, began or are being read, so that there is more to do soon. When none is due
    or under way, one statement is all that it costs.
    """
    if not _anything_to_do(database_now()):
        return False
    ended, begun = end_those_over(), begin_due()
    is_reading = Check.objects.under_way().filter(download__state__in=RUNNING)
    return bool(ended or begun) or is_reading.exists()


def end_those_over() -> int:
    """End the checks whose downloads have ended; return how many."""
    is_over = Q(download=None) | Q(download__outcome__isnull=False)
    over = Check.objects.under_way().filter(is_over).values_list("pk", flat=True)
    return sum(_try(end_if_over, pk) for pk in over)


def _try(work: Callable[[Any], object], what: object) -> bool:
    """Do the work for one of many; whether it did something. The others do not wait for it."""
    try:
        return bool(work(what))
    except Exception as error:
        if is_outage(error):
            raise
        logger.exception("%s of %s broke; trying again", work, what)
        return False


def _anything_to_do(now: datetime) -> bool:
    """A worker asks for ever, and the ORM takes longer to write the question than its answer."""
    with connection.cursor() as cursor:
        beyond = now + timedelta(seconds=LONGEST_WAIT_SECONDS)  # see SubscriptionQuerySet.due
        cursor.execute(
            "SELECT 1 FROM subscriptions_check WHERE ended_at IS NULL UNION ALL"
            " SELECT 1 FROM subscriptions_subscription WHERE next_check_at <= %s UNION ALL"
            " SELECT 1 FROM subscriptions_subscription WHERE next_check_at > %s LIMIT 1",
            [connection.ops.adapt_datetimefield_value(each) for each in (now, beyond)],
        )
        return cursor.fetchone() is not None


def begin_due() -> int:
    """Begin the checks that are due, the longest due first; return how many.

    Of each owner only so many are under way at once.
    """
    under_way = Check.objects.under_way().values_list("subscription__owner", flat=True)
    busy = Counter(under_way.order_by())
    full = [owner for owner, number in busy.items() if number >= CHECKS_AT_ONCE]
    due = Subscription.objects.due(database_now()).exclude(owner__in=full)
    begun = 0
    for subscription in due.select_related("owner")[:BEGUN_AT_ONCE]:
        has_room = busy[subscription.owner_id] < CHECKS_AT_ONCE
        if has_room and _try(partial(begin, only_due=True), subscription):
            busy[subscription.owner_id] += 1
            begun += 1
    return begun


def begin(
    subscription: Subscription,
    *,
    only_due: bool = False,
    actor: str = ACTOR,
    priority: int | None = None,
) -> Download | None:
    """Submit the download of a check, in one transaction.

    None when one is under way, when it was deleted, with `only_due` when it is not due any more,
    and when too many of its owner's downloads wait: then it is due again in some minutes.
    """
    with short_transaction():
        submissions.take_turn(subscription.owner_id)
        now = database_now()
        rows = Subscription.objects.filter(pk=subscription.pk, is_checking=False)
        due = Subscription.objects.due(now).order_by().values("pk")
        rows = rows.filter(pk__in=due) if only_due else rows
        if not rows.update(is_checking=True, next_check_at=None):
            return None
        subscription.refresh_from_db()
        [answer] = submissions.submit_what_fits(
            [(subscription.url, LOOK)],
            owner=subscription.owner,
            actor=actor,
            priority=LOW_PRIORITY if priority is None else priority,
            columns=[{"title": subscription.title}],
            # Another one each time: somebody may have retried the download of an earlier check.
            purpose=f"check of subscription {subscription.pk} at {now.isoformat()}",
        )
        if answer is None:
            _plan(subscription, now, seconds=FULL_QUEUE_SECONDS)
            return None
        whole_at = subscription.whole_at
        Check.objects.create(
            subscription=subscription,
            download=answer.download,
            is_whole=subscription.is_unsorted or not whole_at or whole_at + WHOLE_EVERY <= now,
            begun_at=now,
        )
        return answer.download


def _plan(subscription: Subscription, now: datetime, *, seconds: float, **columns: Any) -> None:
    """Write when the next check is due, unless it is paused, and that none is under way."""
    rows = Subscription.objects.filter(pk=subscription.pk)
    rows.update(is_checking=False, **columns)
    next_check_at = now + timedelta(seconds=seconds)
    rows.filter(paused_at=None, is_checking=False).update(next_check_at=next_check_at)
    subscription.refresh_from_db()


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Why a check did not work."""

    error_class: ErrorClass
    data: Mapping[str, Any] = field(default_factory=dict)


UNUSABLE = {
    "not_a_list": Failed(error_class=ErrorClass.UNSUPPORTED, data={"code": "not_a_list"}),
    "slow_filter": Failed(error_class=ErrorClass.TIMED_OUT, data={"code": "slow_filter"}),
    "unusable_options": Failed(error_class=ErrorClass.INTERNAL, data={"code": "unusable_options"}),
}


@dataclass(kw_only=True)
class Found:
    """What a subscription makes of the entries of one or more listings."""

    listed: int = 0
    take: list[Entry] = field(default_factory=list)  # they become downloads
    leave: list[Entry] = field(default_factory=list)  # they never do
    is_unsorted: bool = False  # something new is behind many that are known


def judge(subscription: Subscription, listings: Sequence[Listing]) -> Found:
    """Say what the next check would make of these listings. Writes nothing.

    Raises TooSlow, and InvalidFilter when another version wrote the filters.
    """
    filters = subscription.filters
    entries = list(Entry.objects.filter(listing__in=listings, is_list=False))
    order = {listing.pk: number for number, listing in enumerate(listings)}
    entries.sort(key=lambda entry: (order[entry.listing_id], entry.position))
    known = subscription.known_among(entries)
    found = Found(listed=len(entries))
    in_a_row, listing_id = 0, None
    met: set[Key] = set()
    for entry in entries:
        key = key_of(entry)
        if entry.listing_id != listing_id:
            in_a_row, listing_id = 0, entry.listing_id
        if key in known:
            in_a_row += 1
        elif key not in met:
            met.add(key)
            found.is_unsorted |= in_a_row >= ENOUGH_KNOWN
            in_a_row = 0
            verdict = filters.judge(entry)
            if verdict is not Verdict.LATER:
                (found.take if verdict is Verdict.TAKE else found.leave).append(entry)
    if subscription.is_first:
        _begin_as_wished(subscription.first, found)
    return found


def _begin_as_wished(first: str, found: Found) -> None:
    """Leave what is older than the first check is to take. What is live is never old."""
    number = 0 if first == "new" else newest_of(first)
    found.is_unsorted = False
    if number is None:
        return
    videos = [entry for entry in found.take if not entry.is_live]
    if all(entry.uploaded_at for entry in videos):
        videos.sort(key=lambda entry: entry.uploaded_at or datetime.min, reverse=True)
    old = {entry.pk for entry in videos[number:]}
    found.leave += [entry for entry in found.take if entry.pk in old]
    found.take = [entry for entry in found.take if entry.pk not in old]


def end_if_over(check_pk: int) -> bool:
    """End a check whose downloads have ended; False when it goes on.

    The lists within its list are read first. Everything that the check found is written in one
    transaction, or nothing.
    """
    rows = Check.objects.under_way().select_related("subscription__owner", "download__listing")
    check = rows.filter(pk=check_pk).first()
    if check is None:
        return True
    download = check.download
    if download is not None and download.outcome is None:
        return False
    if download is None or download.outcome == Outcome.CANCELLED:
        _end(check, None)
        return True
    if download.outcome == Outcome.FAILED:
        _end(check, _failure_of(download))
        return True
    if download.result != Result.LISTING:
        _end(check, UNUSABLE["not_a_list"])
        return True
    inner = _inner_lists(check, download.listing)
    if any(each.outcome is None for each in inner):
        return False
    _end(check, _read(check, download, inner))
    return True


def _failure_of(download: Download) -> Failed:
    error_class = ErrorClass(download.error_class or ErrorClass.INTERNAL)
    return Failed(error_class=error_class, data=download.error_data)


def _inner_lists(check: Check, listing: Listing) -> list[Download]:
    """Return the downloads that read the lists within a list, each of which is submitted once."""
    filters = check.subscription.filters
    lists = listing.entries.filter(is_list=True).select_related("download__listing")
    wanted = [entry for entry in lists if filters.wants_list(entry.url)][:MAX_INNER_LISTS]
    missing = [entry.pk for entry in wanted if entry.download is None]
    some = listing.entries.filter(pk__in=missing)
    added = add_entries(listing, some, options=LOOK, actor=ACTOR) if missing else []
    entries = [entry for entry in wanted if entry.download] + [each.entry for each in added]
    return [entry.download for entry in entries if entry.download]


def _read(check: Check, download: Download, inner: Sequence[Download]) -> "Found | Failed":
    listings = [download.listing]
    listings += [each.listing for each in inner if each.result == Result.LISTING]
    broken = [each for each in inner if each.outcome == Outcome.FAILED]
    if (
        broken
        and len(listings) == 1
        and not download.listing.entries.filter(is_list=False).exists()
    ):
        return _failure_of(broken[0])
    try:
        check.subscription.download_options()
        return judge(check.subscription, listings)
    except TooSlow:
        return UNUSABLE["slow_filter"]
    except (InvalidOption, InvalidFilter):  # of another version
        return UNUSABLE["unusable_options"]


def _end(check: Check, found: "Found | Failed | None") -> None:
    """Write the end of a check, unless somebody else did; None: it was cancelled or deleted."""
    subscription = check.subscription
    with short_transaction():
        submissions.take_turn(subscription.owner_id)
        now = database_now()
        if not Check.objects.under_way().filter(pk=check.pk).update(ended_at=now):
            return
        subscription.refresh_from_db()
        if isinstance(found, Found):
            _end_well(check, found, now)
        else:
            _end_badly(check, found, now)
    _prune(subscription, now)
    _try_again(subscription, now)


def _end_badly(check: Check, failed: Failed | None, now: datetime) -> None:
    subscription = check.subscription
    columns: dict[str, Any] = {}
    failures = 0
    if failed is not None:
        failures = subscription.failures + 1
        columns = {
            "failures": failures,
            "error_class": failed.error_class,
            "error_data": failed.data,
        }
        Check.objects.filter(pk=check.pk).update(error_class=failed.error_class)
        logger.warning("subscription %d: its check failed: %s", subscription.pk, failed.error_class)
    seconds = next_check_seconds(subscription.interval_seconds, failures=failures)
    _plan(subscription, now, seconds=seconds, **columns)


def _end_well(check: Check, found: Found, now: datetime) -> None:
    """Add the entries, and remember those that were judged, in the caller's transaction."""
    subscription = check.subscription
    seen: dict[Key, tuple[Download | None, bool]] = {
        key_of(entry): (None, False) for entry in found.leave
    }
    added = not_added = 0
    for addition in _add(check, found.take):
        if addition.refusal is Refusal.TOO_MANY_WAITING:
            not_added += 1  # it is new again the next time
        else:
            added += addition.created
            seen[key_of(addition.entry)] = addition.entry.download, addition.created
    SeenEntry.objects.bulk_create(
        [
            SeenEntry(
                subscription=subscription,
                download=made,
                is_added=is_added,
                seen_at=now,
                **key._asdict(),
            )
            for key, (made, is_added) in seen.items()
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )
    numbers = {"listed": found.listed, "added": added, "not_added": not_added}
    Check.objects.filter(pk=check.pk).update(left=len(found.leave), **numbers)
    is_whole = check.is_whole and not not_added
    _plan(
        subscription,
        now,
        seconds=FULL_QUEUE_SECONDS
        if not_added
        else next_check_seconds(subscription.interval_seconds),
        checked_at=now,
        title=check.download.listing.title if check.download else subscription.title,
        whole_at=now if is_whole else (None if not_added else subscription.whole_at),
        is_unsorted=subscription.is_unsorted or found.is_unsorted,
        failures=0,
        error_class=None,
        error_data={},
    )
    if added:
        logger.info("subscription %d: %d new downloads", subscription.pk, added)


def _add(check: Check, entries: Sequence[Entry]) -> Iterator[Addition]:
    """Make downloads of the entries, listing by listing."""
    options = check.subscription.download_options()
    for listing_id in dict.fromkeys(entry.listing_id for entry in entries):
        listing = Listing.objects.get(pk=listing_id)
        chosen = [entry.pk for entry in entries if entry.listing_id == listing_id]
        some = listing.entries.filter(pk__in=chosen)
        yield from add_entries(listing, some, options=options, actor=ACTOR)


def _prune(subscription: Subscription, now: datetime) -> None:
    """Delete what brought nothing a day ago, but for the last check."""
    old = Check.objects.filter(subscription=subscription, ended_at__lt=now - KEPT, added=0)
    last = Check.objects.filter(subscription=subscription).order_by("-pk").values("pk")[:1]
    keys = list(old.exclude(pk__in=last).values_list("pk", "download"))
    if not keys:
        return
    roots = [download for _, download in keys if download]
    batches.forget(Download.objects.filter(Q(pk__in=roots) | Q(listed_in__in=roots)))
    Check.objects.filter(pk__in=[pk for pk, _ in keys]).delete()


def _try_again(subscription: Subscription, now: datetime) -> None:
    """Retry downloads of videos that were not there yet: premieres, and what members have first."""
    rows = SeenEntry.objects.filter(
        subscription=subscription,
        download__outcome=Outcome.FAILED,
        download__error_class__in=[ErrorClass.LIVE_NOT_STARTED, ErrorClass.LOGIN_REQUIRED],
        seen_at__gt=now - AGAIN_FOR,
    ).select_related("download")
    for seen in rows.order_by("pk")[:AGAIN_AT_ONCE]:
        if seen.download is not None and _may_be_there(seen.download, now):
            with suppress(actions.NotAllowed):
                actions.retry(seen.download, actor=ACTOR)


def _may_be_there(download: Download, now: datetime) -> bool:
    if download.error_class == ErrorClass.LIVE_NOT_STARTED:
        starts_at = download.error_data.get("starts_at")
        return not isinstance(starts_at, int) or starts_at <= now.timestamp()
    ended_at = download.finished_at
    return ended_at is None or ended_at + AGAIN_AFTER <= now


def unsubscribe(subscription: Subscription, *, actor: str) -> None:
    """Delete a subscription; what it fetched stays. A check under way is cancelled."""
    with short_transaction():
        submissions.take_turn(subscription.owner_id)
        under_way = subscription.checks.under_way().select_related("download").first()
        subscription.delete()
    if under_way is not None and under_way.download is not None:
        with suppress(actions.NotAllowed, Download.DoesNotExist):
            actions.cancel(under_way.download, actor=actor)
