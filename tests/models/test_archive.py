import pytest
from django.contrib.auth.models import User

from downloads.models import ArchivedMedia
from downloads.models.archive import archive
from downloads.rules.archive import MediaId

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

ABC = MediaId("youtube", "abc")
XYZ = MediaId("youtube", "xyz")


def text_of(owner: User | None) -> str:
    return "".join(ArchivedMedia.objects.of(owner).lines())


def test_archiving_twice_is_archiving_once(user: User) -> None:
    assert archive(user, [ABC]) == 1
    assert archive(user, [ABC, XYZ]) == 1

    assert text_of(user) == "youtube abc\nyoutube xyz\n"


def test_the_same_id_of_another_site_is_another_video(user: User) -> None:
    archive(user, [ABC])

    assert archive(user, [MediaId("vimeo", "abc")]) == 1


def test_each_owner_and_nobody_has_an_archive_of_their_own(user: User, staff: User) -> None:
    archive(user, [ABC])
    archive(None, [XYZ])
    archive(None, [XYZ])

    assert (text_of(user), text_of(None), text_of(staff)) == ("youtube abc\n", "youtube xyz\n", "")


def test_more_than_one_page_is_written_in_order(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("downloads.models.archive.ROWS_AT_ONCE", 3)
    media = [MediaId("youtube", str(number)) for number in range(8)]

    archive(user, media)

    assert text_of(user) == "".join(each.line for each in media)


def test_an_archive_goes_with_its_owner(user: User) -> None:
    archive(user, [ABC])

    user.delete()

    assert not ArchivedMedia.objects.exists()
