"""What a user adds waits while the library holds as much of them as it may."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from downloads import actions
from downloads.library import quotas, removal
from downloads.library.models import Card, Removal
from downloads.models import Download, Quota
from downloads.stream.frames import Stats
from downloads.worker.upkeep import Upkeep
from tests.helpers import lives
from tests.library.conftest import Shelve
from tests.models.test_fairness import claim, configured
from tests.web.test_turns import browser_of, caller
from tests.web.test_views import words_of

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

BYTES = 5  # of an entry of `shelve`


def limit(user: User, limit_bytes: int | None) -> None:
    Quota.objects.update_or_create(user=user, defaults={"limit_bytes": limit_bytes})
    quotas.look([user.pk])


def is_full(user: User) -> bool:
    return Quota.objects.full().filter(pk=user.pk).exists()


@pytest.fixture
def full(user: User, shelve: Shelve) -> Iterator[User]:
    """A user with one entry, which is as much as each may have."""
    with configured(user_quota_bytes=BYTES):
        shelve(user)
        yield user


def test_what_somebody_adds_waits_and_what_others_add_does_not(full: User, staff: User) -> None:
    waiting, other, of_nobody = lives.submit(full), lives.submit(staff), lives.submit(None)

    claimed = {claim(), claim()}

    assert claimed == {other, of_nobody}
    assert claim() is None
    waiting.refresh_from_db()
    assert waiting.attempt == 0


def test_row_page_api_and_stream_say_so(full: User) -> None:
    lives.make_worker()
    waiting = lives.submit(full)

    said = "The quota is used up: 5 B of 5 B in the library"
    browser = browser_of(full)
    assert words_of(browser.get("/")).count(said) == 1
    assert said in words_of(browser.get(f"/downloads/{waiting.correlation_id}/"))
    [item] = caller(full).get("/api/v1/downloads?state=created").json()["items"]
    waits = item["waiting"]
    assert (waits["why"], waits["used"], waits["limit"]) == ("quota", BYTES, BYTES)
    assert Stats.read().obstacles.owners() == {str(full.pk): "quota"}


def test_there_is_room_as_soon_as_an_entry_is_removed_until_it_is_back(full: User) -> None:
    waiting = lives.submit(full)
    removal.remove(Card.objects.all(), actor="user:ursula")

    assert not is_full(full)
    removal.restore(Removal.objects.get())
    assert is_full(full)
    assert claim() is None
    removal.remove(Card.objects.all(), actor="user:ursula")
    assert claim() == waiting


def test_what_is_deleted_with_its_download_makes_room_at_the_next_look(full: User) -> None:
    upkeep = Upkeep()
    upkeep.step()
    actions.delete_files(Download.objects.get())
    assert is_full(full)

    upkeep.step()

    assert not is_full(full)


@pytest.mark.parametrize(
    ("own", "may_go_on"), [(None, False), (0, True), (BYTES + 1, True), (BYTES, False), (1, False)]
)
def test_the_quota_of_a_user_counts_before_that_of_the_site(
    full: User, own: int | None, may_go_on: bool
) -> None:
    lives.submit(full)

    limit(full, own)

    assert (claim() is not None) is may_go_on


def test_a_quota_of_a_user_needs_none_of_the_site(user: User, shelve: Shelve) -> None:
    limit(user, 2 * BYTES)
    shelve(user)
    assert not is_full(user)

    shelve(user)

    assert is_full(user)
    assert Quota.objects.get().used_bytes == 2 * BYTES


def test_a_new_quota_of_the_site_holds_when_a_worker_starts(user: User, shelve: Shelve) -> None:
    shelve(user)
    with configured(user_quota_bytes=BYTES):
        Upkeep().step()
        assert is_full(user)

    Upkeep().step()

    assert not is_full(user)


def test_without_quotas_no_row_is_written(user: User, shelve: Shelve) -> None:
    shelve(user)

    with CaptureQueriesContext(connection) as queries:
        quotas.look([user.pk])

    assert not Quota.objects.exists()
    assert len([each for each in queries if "downloads_quota" in each["sql"]]) == 1


def test_what_has_not_changed_is_not_written(full: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        quotas.look([full.pk])

    assert not [each for each in queries if each["sql"].startswith("UPDATE")]


def test_the_page_of_the_storage_says_how_much_is_used(full: User, staff: User) -> None:
    said = "5 B of your 5 B are used. What you add waits until there is room."
    assert said in words_of(browser_of(full).get("/library/storage/"))
    assert "0 B of your 5 B are used." in words_of(browser_of(staff).get("/library/storage/"))
    with configured(user_quota_bytes=0):
        assert "Your quota" not in words_of(browser_of(staff).get("/library/storage/"))


def test_staff_give_and_take_a_quota_in_the_admin(
    user: User, admin_client: Client, shelve: Shelve
) -> None:
    shelve(user)
    pages = "/admin/downloads/quota"

    added = admin_client.post(f"{pages}/add/", {"user": user.pk, "limit_bytes": BYTES})
    assert added.status_code == 302
    assert is_full(user)
    admin_client.post(f"{pages}/{user.pk}/change/", {"limit_bytes": BYTES + 1})
    assert not is_full(user)
    assert "is full" in words_of(admin_client.get(f"{pages}/")).lower()
    admin_client.post(f"{pages}/{user.pk}/delete/", {"post": "yes"})
    assert not Quota.objects.exists()


def test_who_is_deleted_leaves_no_quota(full: User) -> None:
    full.delete()

    assert not Quota.objects.exists()
    quotas.look_at_all()
