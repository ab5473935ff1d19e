"""A real worker follows a feed that grows on a real site: each new item is one download."""

from collections.abc import Callable
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from downloads.models import Download
from downloads.rules.states import Result
from downloads.subscriptions.models import Check
from tests.helpers import following
from tests.helpers.lists import Catalogue
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import running_worker
from tests.subscriptions.conftest import GrowingFeed

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")

Run = Callable[[], None]


def check_subscriptions(*arguments: str) -> str:
    out = StringIO()
    call_command("check_subscriptions", *arguments, stdout=out)
    return out.getvalue().strip()


def fetched() -> list[str]:
    """The links of what was fetched, in the order in which it was added."""
    rows = Download.objects.filter(result=Result.FILES).order_by("pk")
    return list(rows.values_list("url", flat=True))


@pytest.mark.both_databases
def test_what_is_new_is_fetched_and_nothing_twice(
    growing: GrowingFeed, user: User, run: Run
) -> None:
    growing.grow(2)
    following.subscribe(user, url=growing.url)

    assert check_subscriptions() == "0 ended, 1 begun; 1 under way, 0 due."
    run()
    assert check_subscriptions() == "1 ended, 0 begun; 0 under way, 0 due."
    run()
    assert fetched() == growing.links
    first = list(growing.links)
    growing.grow()
    growing.grow(at=2)
    assert check_subscriptions() == "0 ended, 0 begun; 0 under way, 0 due."

    assert check_subscriptions("--now") == "0 ended, 1 begun; 1 under way, 0 due."
    run()
    assert check_subscriptions() == "1 ended, 0 begun; 0 under way, 0 due."
    run()

    assert fetched() == [*first, growing.links[0], growing.links[2]]
    check = Check.objects.latest("pk")
    assert (check.listed, check.added) == (4, 2)
    assert check.download is not None
    assert check.download.title == "A feed"


@pytest.mark.parametrize("number", [0, 1])
def test_a_feed_with_one_item_or_none_is_a_list_too(
    growing: GrowingFeed, user: User, run: Run, number: int
) -> None:
    growing.grow(number)
    subscription = following.subscribe(user, url=growing.url)
    check_subscriptions()
    run()
    check_subscriptions()

    subscription.refresh_from_db()
    assert (subscription.failures, subscription.title) == (0, "A feed")
    assert Check.objects.get().listed == number
    assert following.added(subscription) == growing.links


def test_a_link_of_a_video_is_not_fetched_by_a_check(
    growing: GrowingFeed, user: User, run: Run
) -> None:
    growing.grow()
    subscription = following.subscribe(user, url=growing.links[0])
    check_subscriptions()
    run()
    check_subscriptions()

    subscription.refresh_from_db()
    assert subscription.error_data == {"code": "not_a_list"}
    assert fetched() == []


def test_a_later_check_stops_where_all_is_known(growing: GrowingFeed, user: User, run: Run) -> None:
    growing.grow(400)
    subscription = following.subscribe(user, url=growing.url, first="new")
    check_subscriptions()
    run()
    check_subscriptions()
    subscription.refresh_from_db()
    assert subscription.whole_at is not None
    growing.grow(2)

    check_subscriptions("--now")
    run()
    check_subscriptions()

    whole, part = Check.objects.order_by("pk")
    assert (whole.listed, part.added) == (400, 2)
    assert part.listed < 402
    assert following.added(subscription) == growing.links[:2]


def test_videos_with_an_id_are_known_under_another_link_of_the_list(
    scripted_site: ScriptedSite, media_server: MediaServer, user: User, run: Run
) -> None:
    catalogue = Catalogue(scripted_site, media_server.file("small.mp4").read_bytes())
    subscription = following.subscribe(user, url=catalogue.list(1, 1, 2))
    check_subscriptions()
    run()
    check_subscriptions()
    subscription.url = catalogue.list(2, 3, 1, 2)
    subscription.store(options=subscription.download_options())

    check_subscriptions()
    run()
    check_subscriptions()

    added = following.added(subscription)
    assert added == [catalogue.video(number) for number in (1, 2, 3)]


def test_a_failing_site_is_told_by_its_error_class(
    scripted_site: ScriptedSite, user: User, run: Run
) -> None:
    gone = scripted_site.serve("/gone", Answer(status=404))
    subscription = following.subscribe(user, url=gone)
    check_subscriptions()
    run()
    check_subscriptions()

    subscription.refresh_from_db()
    assert (subscription.failures, subscription.error_class) == (1, "unavailable")


def test_a_running_worker_checks_by_itself(
    growing: GrowingFeed, scripted_site: ScriptedSite, user: User
) -> None:
    growing.grow(2)
    with running_worker(VNSITE_ALLOW_PRIVATE_HOSTS=scripted_site.origin):
        following.subscribe(user, url=growing.url)

        wait_for(lambda: fetched() == growing.links, what="the items to be fetched")
