import pytest
from django.contrib.auth.models import User

from downloads.models import Download, Preset, presets
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.presets import (
    BEST,
    InvalidPreset,
    OfferedPreset,
    UnknownPreset,
    UnusablePreset,
)
from tests.helpers import lives
from tests.helpers.presets import save

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.fixture
def other(db: None) -> User:
    return User.objects.create_user("olga", is_staff=True)


def names(user: User | None) -> list[str]:
    return [each.name for each in presets.offered(user)]


def test_a_user_is_offered_their_own_the_shared_and_the_shipped_presets(
    user: User, other: User
) -> None:
    save(user, "TV", quality="720p")
    save(other, "Hers")
    save(other, "Everybody's", is_shared=True)

    assert names(user)[:3] == ["TV", "Everybody's", "Best"]
    assert names(None)[:2] == ["Everybody's", "Best"]
    assert "Hers" not in names(user)


def test_a_preset_is_found_by_its_name_or_key_whatever_the_case(user: User) -> None:
    save(user, "For the TV", quality="720p")

    assert presets.find_preset(" for  the tv", user=user).options.quality == "720p"
    assert presets.find_preset("PODCAST", user=None).options.audio == "mp3"
    assert presets.find_preset("1080p for every device", user=None).key == "devices"
    with pytest.raises(UnknownPreset, match="There is no preset named “For the TV”"):
        presets.find_preset("For the TV", user=None)


def test_an_own_preset_goes_before_a_shared_one_of_that_name(user: User, other: User) -> None:
    save(other, "TV", is_shared=True, quality="360p")
    save(user, "tv", quality="720p")

    assert presets.find_preset("TV", user=user).options.quality == "720p"
    assert presets.find_preset("TV", user=None).options.quality == "360p"
    assert names(user).count("TV") == 0


def test_a_name_is_taken_once_by_a_user_and_once_among_the_shared(user: User, other: User) -> None:
    third = User.objects.create_user("third", is_staff=True)
    save(other, "TV", is_shared=True)

    with pytest.raises(InvalidPreset, match="You have a preset named “tv” already"):
        save(other, "tv")
    with pytest.raises(InvalidPreset, match="There is a shared preset named “TV” already"):
        save(third, "TV", is_shared=True)
    save(user, "TV")
    assert Preset.objects.count() == 2


def test_only_staff_share(user: User) -> None:
    with pytest.raises(InvalidPreset, match="Only staff may share a preset") as refusal:
        save(user, "TV", is_shared=True)

    assert refusal.value.field == "shared"


def test_a_user_has_a_limited_number_of_presets(
    user: User, other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "MAX_PRESETS", 2)
    first, _ = save(user, "1"), save(user, "2")

    with pytest.raises(InvalidPreset, match="You have 2 presets"):
        save(user, "3")

    save(other, "3")
    first.store(name="one", options=DownloadOptions(), is_shared=False)
    assert names(user)[:2] == ["2", "one"]


def test_changes_go_before_the_preset(user: User) -> None:
    save(user, "TV", quality="720p", compatible=True)

    options = presets.chosen_options("TV", {"quality": "360p"}, user=user)

    assert options.chosen() == {"quality": "360p", "compatible": True}
    assert presets.chosen_options(None, {"audio": "mp3"}, user=user).chosen() == {"audio": "mp3"}
    with pytest.raises(InvalidOption, match="compatible"):
        presets.chosen_options("TV", {"container": "webm"}, user=user)


def test_a_preset_of_another_version_is_offered_and_says_so_when_it_is_used(user: User) -> None:
    preset = save(user, "TV")
    Preset.objects.filter(pk=preset.pk).update(options={"holograms": True})

    assert names(user)[0] == "TV"
    with pytest.raises(UnusablePreset, match="wrote its “holograms”"):
        presets.chosen_options("TV", {}, user=user)


def test_deleting_a_preset_changes_no_download(user: User) -> None:
    preset = save(user, "TV", quality="720p")
    download = lives.submit(user, quality="720p")

    preset.delete()

    assert Download.objects.get().options == download.options


# What the form begins with.


def begin(user: User) -> tuple[OfferedPreset, DownloadOptions]:
    return presets.beginning(user, presets.offered(user))


def test_a_user_begins_with_the_best() -> None:
    assert begin(User.objects.create_user("new")) == (BEST, DownloadOptions())


def test_the_last_choice_is_remembered_without_what_belongs_to_one_link(user: User) -> None:
    tv = save(user, "TV", quality="720p")
    last = DownloadOptions(quality="720p", thumbnail=False, clip="1-2")
    presets.remember(user, tv.offered_to(user), last)

    preset, options = begin(user)

    assert preset.name == "TV"
    assert options.chosen() == {"quality": "720p", "thumbnail": False}


def test_the_default_goes_before_the_last_choice(user: User) -> None:
    presets.remember(user, BEST, DownloadOptions(quality="360p"))
    presets.make_default(user, "podcast")

    assert begin(user)[1].chosen() == presets.find_preset("podcast", user=user).stored

    presets.make_default(user, "")
    assert begin(user)[1] == DownloadOptions(quality="360p")


def test_a_default_that_is_gone_or_of_another_version_is_like_none(user: User) -> None:
    tv = save(user, "TV", quality="720p")
    presets.make_default(user, tv.key)

    Preset.objects.update(options={"quality": "4320p"})
    assert begin(user) == (BEST, DownloadOptions())

    Preset.objects.all().delete()
    assert begin(user) == (BEST, DownloadOptions())


def test_a_preset_that_is_renamed_stays_the_default_of_those_who_use_it(
    user: User, other: User
) -> None:
    tv = save(other, "TV", is_shared=True, quality="720p")
    own = User.objects.create_user("with one of that name")
    save(own, "TV", quality="360p")
    for each in (user, other, own):
        presets.make_default(each, "tv")

    tv.store(name="Television", options=DownloadOptions(quality="720p"), is_shared=True)

    uses = {each: begin(each)[0].name for each in (user, other, own)}
    assert uses == {user: "Television", other: "Television", own: "TV"}
