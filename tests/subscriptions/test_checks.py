"""Checks find what is new, once; what does not work is said; what is kept and what goes."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from downloads import actions
from downloads.models import ArchivedMedia, Download, Entry, submissions
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from downloads.subscriptions import checks
from downloads.subscriptions.models import Check, InvalidSubscription, Subscription
from tests.helpers import following, lives
from tests.models.test_fairness import configured

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


def links(*numbers: int) -> list[str]:
    return [f"https://example.org/video/{number}" for number in numbers]


def entries(*numbers: int, **columns: Any) -> list[Entry]:
    return [lives.entry(number, **columns) for number in numbers]


@pytest.fixture
def subscription(user: User) -> Subscription:
    return following.subscribe(user)


# New entries


def test_a_first_check_takes_all(subscription: Subscription, user: User) -> None:
    check = following.check(subscription, *entries(3, 2, 1))

    assert following.added(subscription) == links(3, 2, 1)
    assert (check.listed, check.added, check.left, check.is_whole) == (3, 3, 0, True)
    made = Download.objects.filter(listed_in=check.download)
    assert {(each.owner, each.priority) for each in made} == {(user, checks.LOW_PRIORITY)}
    assert subscription.title == "A list"


def test_a_later_check_takes_what_is_new_and_nothing_twice(subscription: Subscription) -> None:
    following.check(subscription, *entries(2, 1))

    check = following.check(subscription, *entries(4, 3, 2, 1))

    assert following.added(subscription) == links(2, 1, 4, 3)
    assert (check.listed, check.added) == (4, 2)


def test_what_is_new_in_the_middle_or_at_the_end_is_found(subscription: Subscription) -> None:
    following.check(subscription, *entries(1, 2, 3))

    following.check(subscription, *entries(1, 9, 2, 3, 8))

    assert following.added(subscription) == links(1, 2, 3, 9, 8)


def test_an_entry_that_is_listed_twice_is_one_download(subscription: Subscription) -> None:
    following.check(subscription, *entries(1), lives.entry(1, url="https://example.org/other"))

    assert following.added(subscription) == links(1)


def test_without_an_id_the_link_names_an_entry(subscription: Subscription) -> None:
    following.check(subscription, *entries(1, 2, media_id="", extractor=""))

    following.check(subscription, *entries(3, 2, 1, media_id="", extractor=""))

    assert following.added(subscription) == links(1, 2, 3)


@pytest.mark.parametrize(
    ("first", "at_first", "later"),
    [
        ("all", [3, 2, 1], [3, 2, 1, 4]),
        ("newest:2", [3, 2], [3, 2, 4]),
        ("newest:9", [3, 2, 1], [3, 2, 1, 4]),
        ("new", [], [4]),
    ],
)
def test_the_first_check_takes_as_much_as_was_wished(
    user: User, first: str, at_first: list[int], later: list[int]
) -> None:
    subscription = following.subscribe(user, first=first)

    following.check(subscription, *entries(3, 2, 1))
    assert following.added(subscription) == links(*at_first)

    following.check(subscription, *entries(4, 3, 2, 1))
    assert following.added(subscription) == links(*later)


def test_the_newest_are_those_of_the_newest_dates_where_the_list_has_dates(user: User) -> None:
    subscription = following.subscribe(user, first="newest:2")
    now = timezone.now()
    dated = [
        lives.entry(number, uploaded_at=now - timedelta(days=days))
        for number, days in ((1, 30), (2, 20), (3, 10))
    ]

    following.check(subscription, *dated)

    assert following.added(subscription) == links(2, 3)


def test_what_the_filters_leave_is_not_looked_at_again(user: User) -> None:
    subscription = following.subscribe(
        user, exclude="trailer", since=date(2020, 1, 1), min_seconds=60
    )
    trailer = lives.entry(1, title="A trailer")
    old = lives.entry(2, uploaded_at=timezone.now() - timedelta(days=9999))
    short = lives.entry(3, duration_seconds=59.0)

    check = following.check(subscription, trailer, old, short, lives.entry(4))

    assert following.added(subscription) == links(4)
    assert (check.added, check.left) == (1, 3)
    check = following.check(subscription, *entries(1, 2, 3, 4))
    assert (check.added, check.left) == (0, 0)


def test_a_video_that_is_not_there_yet_is_taken_when_it_is(user: User) -> None:
    subscription = following.subscribe(user, first="new")
    following.check(subscription, lives.entry(1), lives.entry(2, is_live=True))
    assert following.added(subscription) == []

    following.check(subscription, *entries(1, 2))

    assert following.added(subscription) == links(2)


def test_live_streams_are_taken_at_once_when_they_are_wished_for(user: User) -> None:
    subscription = following.subscribe(user, live=True, first="new")

    following.check(subscription, lives.entry(1), lives.entry(2, is_live=True))

    assert following.added(subscription) == links(2)


def test_what_the_archive_has_is_not_taken(subscription: Subscription, user: User) -> None:
    ArchivedMedia.objects.create(
        owner=user, extractor="site", media_id="video-1", added_at=timezone.now()
    )

    following.check(subscription, *entries(2, 1))

    assert following.added(subscription) == links(2)


def test_the_downloads_have_the_options_of_the_subscription(user: User) -> None:
    subscription = following.subscribe(user, options={"audio": "mp3", "quality": "720p"})

    check = following.check(subscription, lives.entry(1))

    assert check.download is not None
    [made] = Download.objects.filter(listed_in=check.download)
    assert (made.options["audio"], made.options["quality"]) == ("mp3", "720p")
    assert made.options["check"] is False
    assert check.download.options["check"] is True
    assert check.download.options["audio"] is None


def test_a_subscription_under_another_link_knows_what_it_has_seen(
    subscription: Subscription,
) -> None:
    following.check(subscription, *entries(2, 1))
    subscription.url = "https://example.org/@renamed"
    subscription.store(options=DownloadOptions())

    check = following.check(subscription, *entries(3, 2, 1))

    assert check.download is not None
    assert check.download.url == subscription.url
    assert following.added(subscription) == links(2, 1, 3)


def test_the_lists_of_a_channel_without_a_tab_are_read_in_the_same_check(
    subscription: Subscription,
) -> None:
    tabs = [
        lives.entry(number, url=f"https://example.org/@somebody/{tab}", media_id="", is_list=True)
        for number, tab in ((101, "videos"), (102, "shorts"), (103, "streams"))
    ]
    download = following.begin(subscription)
    lives.list_up(download, *tabs)
    [under_way] = Check.objects.under_way()
    assert not checks.end_if_over(under_way.pk)
    inner = list(Download.objects.filter(listed_in=download).order_by("pk"))
    assert [each.url.rpartition("/")[2] for each in inner] == ["videos", "shorts"]

    lives.list_up(inner[0], *entries(1, 2))
    assert not checks.end_if_over(under_way.pk)
    lives.fail(inner[1])  # the channel has no such tab
    following.end(subscription)

    made = Download.objects.filter(listed_in=inner[0])
    assert [each.url for each in made.order_by("pk")] == links(1, 2)
    assert (subscription.failures, subscription.is_checking) == (0, False)


def test_when_no_list_of_a_channel_can_be_read_the_check_failed(
    subscription: Subscription,
) -> None:
    lives.list_up(following.begin(subscription), lives.entry(1, media_id="", is_list=True))
    [under_way] = Check.objects.under_way()
    checks.end_if_over(under_way.pk)
    lives.fail(Download.objects.exclude(listed_in=None).get(), ErrorClass.NETWORK)

    following.end(subscription)

    assert (subscription.failures, subscription.error_class) == (1, ErrorClass.NETWORK)


# How much is read


def test_a_list_is_read_to_its_end_once_a_day(subscription: Subscription) -> None:
    assert following.check(subscription, *entries(1)).is_whole
    assert not following.check(subscription, *entries(1)).is_whole
    yesterday = timezone.now() - checks.WHOLE_EVERY
    Subscription.objects.update(whole_at=yesterday)

    assert following.check(subscription, *entries(1)).is_whole


def test_a_list_in_which_the_new_is_behind_the_known_is_always_read_to_its_end(
    subscription: Subscription,
) -> None:
    known = range(1, 41)
    following.check(subscription, *entries(*known))
    assert not subscription.is_unsorted

    following.check(subscription, *entries(*known, 99))

    assert subscription.is_unsorted
    assert following.check(subscription, *entries(*known)).is_whole


# What there is no room for


def test_what_does_not_fit_into_the_queue_is_taken_the_next_time(
    subscription: Subscription,
) -> None:
    with configured(user_waiting=2):
        check = following.check(subscription, *entries(3, 2, 1))
    assert (check.added, check.not_added) == (2, 1)
    assert subscription.next_check_at is not None
    soon = timezone.now() + timedelta(seconds=checks.FULL_QUEUE_SECONDS)
    assert subscription.next_check_at <= soon

    check = following.check(subscription, *entries(3, 2, 1))

    assert check.is_whole
    assert following.added(subscription) == links(3, 2, 1)


def test_a_check_for_which_there_is_no_room_is_put_off(subscription: Subscription) -> None:
    lives.submit(subscription.owner)
    with configured(user_waiting=1):
        assert checks.begin(subscription) is None

    subscription.refresh_from_db()
    assert not subscription.is_checking
    assert subscription.next_check_at is not None
    assert subscription.next_check_at > timezone.now()
    assert subscription.failures == 0


# What does not work


def test_a_failure_is_told_and_backs_off(subscription: Subscription) -> None:
    waits = []
    for _ in range(3):
        assert not subscription.needs_attention
        following.fail(subscription, ErrorClass.UNAVAILABLE)
        assert subscription.next_check_at is not None
        waits.append(subscription.next_check_at - timezone.now())

    assert subscription.needs_attention
    assert subscription.advice is not None
    assert "404" in subscription.advice.sentence
    hours = [round(wait.total_seconds() / 3600) for wait in waits]
    assert 12 <= hours[0] <= 14
    assert 24 <= hours[1] <= 27
    assert 48 <= hours[2] <= 53


def test_a_check_that_works_ends_the_trouble(subscription: Subscription) -> None:
    for _ in range(3):
        following.fail(subscription)

    following.check(subscription, *entries(1))

    assert (subscription.failures, subscription.error_class) == (0, None)
    assert not subscription.needs_attention


def test_a_check_that_somebody_cancels_is_no_failure(subscription: Subscription) -> None:
    actions.cancel(following.begin(subscription), actor="user:u")

    following.end(subscription)

    assert (subscription.failures, subscription.is_checking) == (0, False)
    assert subscription.next_check_at is not None


def test_a_check_whose_download_was_deleted_is_over(subscription: Subscription) -> None:
    download = following.begin(subscription)
    actions.cancel(download, actor="user:u")
    download.forget()

    following.end(subscription)

    assert not subscription.is_checking


def test_a_link_of_one_video_is_said_to_be_none_of_a_list(subscription: Subscription) -> None:
    running = lives.start(following.begin(subscription))
    running.complete_as_checked(actor="test", media={})

    following.end(subscription)

    assert subscription.advice is not None
    assert subscription.advice.sentence == "The link is of one video, not of a list."


def test_an_expression_that_takes_too_long_fails_the_check_and_loses_nothing(user: User) -> None:
    subscription = following.subscribe(user, include=r"/^(a|aa)+$/")
    slow = lives.entry(1, title="a" * 60 + "!")

    following.check(subscription, slow)
    assert subscription.error_data == {"code": "slow_filter"}

    subscription.include = ""
    subscription.store(options=DownloadOptions())
    following.check(subscription, lives.entry(1))
    assert following.added(subscription) == links(1)


# Tried again


@pytest.mark.parametrize(
    ("error_class", "is_again"),
    [(ErrorClass.LIVE_NOT_STARTED, True), (ErrorClass.UNAVAILABLE, False)],
)
def test_a_download_of_what_was_not_there_yet_is_tried_again(
    subscription: Subscription, error_class: ErrorClass, is_again: bool
) -> None:
    following.check(subscription, *entries(1))
    made = lives.fail(Download.objects.get(url=links(1)[0]), error_class)

    following.check(subscription, *entries(1))

    made.refresh_from_db()
    assert (made.state == State.CREATED) is is_again
    assert made.transitions.filter(reason=Reason.RETRIED).exists() is is_again
    assert following.added(subscription) == links(1)


def test_a_video_for_members_is_tried_again_after_a_day(subscription: Subscription) -> None:
    following.check(subscription, *entries(1))
    made = lives.fail(Download.objects.get(url=links(1)[0]), ErrorClass.LOGIN_REQUIRED)
    following.check(subscription, *entries(1))
    made.refresh_from_db()
    assert made.state == State.FAILED

    Download.objects.filter(pk=made.pk).update(finished_at=timezone.now() - checks.AGAIN_AFTER)
    following.check(subscription, *entries(1))

    made.refresh_from_db()
    assert made.state == State.CREATED


# What stays and what goes


def test_a_check_that_brought_nothing_is_deleted_after_a_day(subscription: Subscription) -> None:
    brought = following.check(subscription, *entries(1))
    nothing = following.check(subscription, *entries(1))
    Check.objects.update(ended_at=timezone.now() - timedelta(days=2))

    last = following.check(subscription, *entries(1))

    assert list(Check.objects.all()) == [brought, last]
    assert not Download.objects.filter(pk=nothing.download_id).exists()
    assert Download.objects.filter(pk=brought.download_id).exists()


def test_unsubscribing_keeps_what_was_fetched(subscription: Subscription) -> None:
    following.check(subscription, *entries(1))
    made = lives.complete(Download.objects.get(url=links(1)[0]))
    check = following.begin(subscription)

    checks.unsubscribe(subscription, actor="user:u")

    assert not Subscription.objects.exists()
    made.refresh_from_db()
    assert made.files.count() == 1
    assert not made.misses_files
    check.refresh_from_db()
    assert check.outcome == "cancelled"


def test_a_deleted_download_stays_seen(subscription: Subscription) -> None:
    following.check(subscription, *entries(1))
    made = Download.objects.get(url=links(1)[0])
    actions.cancel(made, actor="user:u")
    made.forget()

    following.check(subscription, *entries(1))

    assert following.added(subscription) == []


def test_the_owners_own_look_at_the_list_is_another_download(
    subscription: Subscription, user: User
) -> None:
    wish = (subscription.url, checks.LOOK)
    [own] = submissions.submit([wish], owner=user, actor="user:u")

    download = checks.begin(subscription)

    assert download is not None
    assert download.pk != own.download.pk


def test_a_check_whose_earlier_download_is_retried_is_another_one(
    subscription: Subscription,
) -> None:
    failed = following.fail(subscription)
    assert failed.download is not None
    actions.retry(failed.download, actor="user:u")

    download = checks.begin(subscription)

    assert download is not None
    assert download.pk != failed.download.pk


def test_a_check_that_cannot_be_ended_does_not_hold_up_the_others(
    user: User, subscription: Subscription
) -> None:
    lives.list_up(following.begin(subscription), lives.entry(1))
    Subscription.objects.filter(pk=subscription.pk).update(interval_seconds=10**12)
    other = following.subscribe(user)
    lives.list_up(following.begin(other), lives.entry(2))

    assert checks.end_those_over() == 1

    assert following.added(other) == links(2)
    assert Check.objects.under_way().get().subscription == subscription


# What may be


@pytest.mark.parametrize(
    ("columns", "options", "field"),
    [
        ({"interval_seconds": 60}, {}, "interval_seconds"),
        ({"first": "some"}, {}, "first"),
        ({"include": "/(/"}, {}, "include"),
        ({"min_seconds": 9, "max_seconds": 8}, {}, "max_seconds"),
        ({"name": "x" * 201}, {}, "name"),
        ({"name": "a\nb"}, {}, "name"),
        ({}, {"check": True}, "options.check"),
        ({}, {"clip": "0-10"}, "options.clip"),
        ({}, {"playlist": "all"}, "options.playlist"),
    ],
)
def test_what_cannot_be_is_refused(
    user: User, columns: dict[str, Any], options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSubscription) as refusal:
        following.subscribe(user, options=options, **columns)

    assert refusal.value.field == field
    assert not Subscription.objects.exists()


def test_a_link_is_subscribed_to_once_with_the_same_options(user: User, staff: User) -> None:
    link = "https://example.org/list"
    following.subscribe(user, url=link)
    following.subscribe(user, url=link, options={"audio": "mp3"})
    following.subscribe(staff, url=link)

    with pytest.raises(InvalidSubscription, match="already"):
        following.subscribe(user, url=link)


def test_a_change_plans_the_next_check_by_the_new_interval(subscription: Subscription) -> None:
    following.check(subscription, *entries(1))
    subscription.interval_seconds = 900

    subscription.store(options=DownloadOptions())

    assert subscription.next_check_at is not None
    assert subscription.next_check_at <= timezone.now() + timedelta(seconds=900)
