"""The rows of cookies: sealed for their owner and host, and renewed only as they were read."""

import pytest
from django.contrib.auth.models import User

from downloads.models import SiteCookies
from downloads.rules.cookies import Cookie
from downloads.rules.sealing import Unreadable

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

OLD, NEW, NEWER = (
    Cookie(domain="example.org", path="/", name="session", value=value)
    for value in ("old-value", "new-value", "newer-value")
)


def stored(owner: User) -> list[Cookie]:
    return SiteCookies.objects.get(owner=owner).open()


def test_what_is_pasted_replaces_what_was_there_as_the_next_version(user: User) -> None:
    first = SiteCookies.objects.paste(user, "example.org", [OLD])
    second = SiteCookies.objects.paste(user, "example.org", [NEW])

    assert (first.pk, first.version, second.version) == (second.pk, 1, 2)
    assert stored(user) == [NEW]


def test_a_row_shows_no_value(user: User) -> None:
    row = SiteCookies.objects.paste(user, "example.org", [OLD])

    assert OLD.value not in f"{row} {row.summary} {bytes(row.sealed)!r}"


def test_of_two_downloads_that_renew_what_both_had_the_first_wins(user: User) -> None:
    SiteCookies.objects.paste(user, "example.org", [OLD])
    read_by_first, read_by_second = (SiteCookies.objects.get(owner=user) for _ in range(2))

    assert SiteCookies.objects.renew(read_by_first, [NEW])
    assert not SiteCookies.objects.renew(read_by_second, [NEWER])
    assert stored(user) == [NEW]


def test_what_was_deleted_and_pasted_again_is_not_renewed(user: User) -> None:
    before = SiteCookies.objects.paste(user, "example.org", [OLD])
    SiteCookies.objects.all().delete()
    SiteCookies.objects.paste(user, "example.org", [NEW])

    assert not SiteCookies.objects.renew(before, [NEWER])
    assert stored(user) == [NEW]


@pytest.mark.parametrize("column", ["owner", "host"])
def test_what_is_moved_to_another_user_or_host_cannot_be_read(user: User, column: str) -> None:
    row = SiteCookies.objects.paste(user, "example.org", [OLD])
    places = {"owner": User.objects.create_user("otto"), "host": "other.example"}
    SiteCookies.objects.filter(pk=row.pk).update(**{column: places[column]})

    row.refresh_from_db()

    assert not row.is_readable
    with pytest.raises(Unreadable):
        row.open()


def test_the_rows_of_hosts_come_in_their_order_and_of_one_owner(user: User) -> None:
    other = User.objects.create_user("otto")
    for owner in (user, other):
        for host in ("example.org", "a.example.org", "b.example.org"):
            SiteCookies.objects.paste(owner, host, [OLD])

    found = SiteCookies.objects.for_hosts(user.pk, ["a.example.org", "x.org", "example.org"])

    assert [(row.owner, row.host) for row in found] == [
        (user, "a.example.org"),
        (user, "example.org"),
    ]
    assert SiteCookies.objects.for_hosts(None, ["example.org"]) == []


def test_a_user_s_cookies_go_with_the_user(user: User) -> None:
    SiteCookies.objects.paste(user, "example.org", [OLD])

    user.delete()

    assert not SiteCookies.objects.exists()
