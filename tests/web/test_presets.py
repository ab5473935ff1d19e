"""Presets in the form for new links, and their pages, as a browser without JavaScript uses them."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.models import Download, Preset, presets
from downloads.rules.options import DownloadOptions
from downloads.rules.presets import SHIPPED
from downloads.web.choice_form import Shown
from tests.conftest import PASSWORD
from tests.helpers.presets import save

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

URL = "https://example.org/1"
SCRIPT = {"X-Requested-With": "fetch"}


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    return unescape(answer.content.decode())


def words_of(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text_of(answer)).split())


def chosen() -> dict[str, Any]:
    """What was chosen for the newest download, without the defaults."""
    return DownloadOptions.from_mapping(Download.objects.latest("id").options).chosen()


def filled(preset: str, *, shown: str, **changes: Any) -> dict[str, Any]:
    """The form that was drawn with the preset `shown`, with what was changed on it."""
    drawn = next(each for each in SHIPPED if each.key == shown).options
    values = {**drawn.as_dict(), **changes}
    ticked = {name: value for name, value in values.items() if value not in (None, False)}
    memory = json.dumps({"preset": shown, "options": drawn.chosen()})
    return {"urls": URL, "preset": preset, "shown": memory, **ticked}


def unfolded(client: Client, answer: Any) -> str:
    """The page after its form's options were asked for."""
    memory = re.search(r'name="shown" value="([^"]*)"', answer.content.decode())
    preset = re.search(r'<option value="([^"]*)" selected>', text_of(answer))
    assert memory
    assert preset
    return text_of(client.post("/add", {"preset": preset[1], "shown": unescape(memory[1])}))


# The form.


def test_the_form_begins_with_the_best_and_offers_the_others(browser: Client, user: User) -> None:
    save(user, "TV")

    page = text_of(browser.get("/"))

    assert '<option value="best" selected>Best</option>' in page
    for heading, key in [("Yours", "tv"), ("From vnsite", "podcast")]:
        assert f'<optgroup label="{heading}">' in page
        assert f'<option value="{key}">' in page
    assert '<a href="/presets/">' in page


def test_a_page_has_no_option_until_it_is_asked_for(browser: Client) -> None:
    page = browser.get("/")

    assert "id_quality" not in text_of(page)
    assert '<details class="add-change" open' in unfolded(browser, page)


def test_options_that_were_never_unfolded_stay_as_they_were(browser: Client) -> None:
    browser.post("/downloads/", filled("podcast", shown="podcast", audio="opus"))
    folded = str(Shown("podcast", DownloadOptions(audio="opus"), is_folded=True))

    for preset in ("podcast", "m4a"):
        form = {"urls": f"{URL}?{preset}", "preset": preset, "shown": folded}
        assert browser.post("/downloads/", form).status_code == 302
        of_preset = {"audio": "opus"} if preset == "podcast" else {"audio": "m4a"}
        assert chosen() == of_preset


def test_unfolding_keeps_what_was_typed_and_adds_nothing(browser: Client) -> None:
    folded = str(Shown("best", DownloadOptions(), is_folded=True))
    form = {"urls": f"{URL} and", "preset": "archive", "shown": folded}

    page, part = (text_of(browser.post("/add", form, headers=sent)) for sent in ({}, SCRIPT))

    assert f">\n{URL} and</textarea>" in page
    for answer in (page, part):
        assert '<option value="mkv" selected>' in answer
    assert "<textarea" not in part
    assert not Download.objects.exists()


def test_a_preset_alone_is_enough(browser: Client) -> None:
    """As from a script, or from a page that was opened before options were added."""
    browser.post("/downloads/", {"urls": URL, "preset": "podcast"})

    assert chosen() == SHIPPED[3].options.chosen()


def test_the_options_that_are_shown_are_taken_as_they_are(browser: Client) -> None:
    browser.post("/downloads/", filled("podcast", shown="podcast", audio="m4a", thumbnail=False))

    embed = ["thumbnail", "chapters", "metadata"]
    assert chosen() == {"audio": "m4a", "thumbnail": False, "embed": embed}


def test_what_was_changed_goes_before_another_preset(browser: Client) -> None:
    changes = {"quality": "360p", "thumbnail": False}

    browser.post("/downloads/", filled("devices", shown="archive", **changes))

    devices = SHIPPED[1].options.chosen()
    assert chosen() == {**devices, **changes}


def test_another_preset_can_be_chosen_with_nothing_changed(browser: Client) -> None:
    browser.post("/downloads/", filled("podcast", shown="best"))

    assert chosen() == SHIPPED[3].options.chosen()


def test_what_the_form_says_it_showed_cannot_be_wrong_enough_to_fail(browser: Client) -> None:
    for shown in (
        "",
        "{",
        "[]",
        "7",
        '{"preset": 1, "options": {"exec": "touch"}}',
        '{"preset": "best"}',
    ):
        form = {"urls": f"{URL}?{len(shown)}", "preset": "m4a", "shown": shown}
        assert browser.post("/downloads/", form).status_code == 302
        assert chosen() == {"audio": "m4a"}


@pytest.mark.parametrize(
    ("preset", "sentence"),
    [
        ("gone", "There is no preset named “gone”."),
        ("a\0b", "Null characters are not allowed."),
        (
            "newer",
            "The preset “Newer” cannot be used: another version of vnsite wrote its “holograms”.",
        ),
    ],
)
def test_a_preset_that_cannot_be_used_loses_nothing(
    browser: Client, user: User, preset: str, sentence: str
) -> None:
    save(user, "Newer")
    Preset.objects.update(options={"holograms": True})

    answer = browser.post("/downloads/", {"urls": URL, "preset": preset, "quality": "360p"})

    assert answer.status_code == 422
    assert sentence in words_of(answer)
    assert f">\n{URL}</textarea>" in text_of(answer)
    assert '<option value="360p" selected>' in text_of(answer)
    assert not Download.objects.exists()


def test_what_contradicts_the_preset_is_said_at_the_option(browser: Client) -> None:
    answer = browser.post("/downloads/", filled("devices", shown="best", container="webm"))

    assert answer.status_code == 422
    assert "Plays everywhere: H.264 and AAC do not go into webm" in words_of(answer)
    assert '<details class="add-change" open' in text_of(answer)


# The last choice and the default.


def test_the_last_choice_is_there_after_signing_in_again(client: Client, user: User) -> None:
    client.force_login(user)
    wish = filled("podcast", shown="podcast", audio="opus", clip="1:30-2:00", thumbnail=False)
    client.post("/downloads/", wish)
    client.post("/logout/")

    client.post("/login/", {"username": "ursula", "password": PASSWORD})
    page = unfolded(client, client.get("/"))

    assert '<option value="podcast" selected>' in page
    assert '<option value="opus" selected>' in page
    assert 'id="id_thumbnail" checked' not in page
    assert "1:30-2:00" not in page  # it belongs to that one link


def test_the_form_begins_with_the_default(browser: Client, user: User) -> None:
    browser.post("/downloads/", filled("best", shown="best", quality="360p"))

    browser.post("/presets/default", {"key": "podcast"})

    page = unfolded(browser, browser.get("/"))
    assert '<option value="podcast" selected>' in page
    assert '<option value="mp3" selected>' in page
    assert '<option value="360p" selected>' not in page


# Saving from the form.


def test_the_options_of_the_form_are_saved_as_a_preset(browser: Client, user: User) -> None:
    wish = filled("archive", shown="archive", quality="720p", clip="1-2")
    wish |= {"urls": "not yet a link", "preset_name": "  My  archive "}

    answer = browser.post("/presets/save", wish)

    preset = Preset.objects.get()
    assert (preset.owner, preset.name, preset.is_shared) == (user, "My archive", False)
    assert preset.options == {**SHIPPED[4].options.chosen(), "quality": "720p"}
    assert answer.status_code == 200
    page = text_of(answer)
    assert "Saved as preset “My archive”." in page
    assert ">\nnot yet a link</textarea>" in page
    assert '<option value="my archive" selected>' in page
    assert 'value="0:01-0:02"' in unfolded(browser, answer)  # still chosen for this link
    assert not Download.objects.exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"preset_name": ""}, "Enter a name."),
        ({"preset_name": "tv"}, "You have a preset named “tv” already."),
        ({"preset_name": "x", "quality": "4k"}, "Quality: '4k' is not one of"),
    ],
)
def test_a_preset_that_is_not_saved_loses_nothing(
    browser: Client, user: User, more: dict[str, str], sentence: str
) -> None:
    save(user, "TV")

    answer = browser.post("/presets/save", filled("best", shown="best", rate_limit="2M") | more)

    assert answer.status_code == 422
    assert sentence in words_of(answer)
    assert '<details class="add-change" open' in text_of(answer)
    assert f">\n{URL}</textarea>" in text_of(answer)
    assert 'value="2M"' in text_of(answer)
    assert Preset.objects.count() == 1


def test_a_script_that_saves_gets_the_form(browser: Client) -> None:
    wish = {"urls": URL, "preset": "m4a", "preset_name": "Mine"}

    answer = browser.post("/presets/save", wish, headers=SCRIPT)

    assert '<option value="mine" selected>' in text_of(answer)
    assert "<html" not in text_of(answer)
    assert browser.get("/presets/save")["Location"] == "/"


# The pages.


def test_the_page_lists_presets_in_words(browser: Client, user: User, staff: User) -> None:
    save(user, "TV", quality="720p")
    save(staff, "Everybody's", is_shared=True)
    save(staff, "Not yours")

    words = words_of(browser.get("/presets/"))

    assert "TV Up to 720p · Video and sound · Container of the site Edit TV" in words
    assert "Everybody's by stefan" in words
    assert "Archive Best quality · Video and sound · As mkv · Subtitles: all languages" in words
    assert "Not yours" not in words


def test_a_preset_of_another_version_says_so_on_its_pages(browser: Client, user: User) -> None:
    preset = save(user, "TV")
    Preset.objects.update(options={"holograms": True})
    sentence = "another version of vnsite wrote its “holograms”."

    assert sentence in words_of(browser.get("/presets/"))
    assert f"{sentence} Save it anew, or delete it." in words_of(
        browser.get(f"/presets/{preset.pk}/")
    )

    browser.post(f"/presets/{preset.pk}/", {"name": "TV", "quality": "720p"})
    assert presets.find_preset("TV", user=user).options.quality == "720p"


def test_a_preset_is_made_changed_and_deleted(browser: Client) -> None:
    made = browser.post("/presets/new", {"name": "TV", "quality": "720p", "thumbnail": "true"})
    preset = Preset.objects.get()
    assert (made["Location"], preset.options) == ("/presets/", {"quality": "720p"})

    page = text_of(browser.get(f"/presets/{preset.pk}/"))
    assert 'value="TV"' in page
    assert '<option value="720p" selected>' in page
    assert "id_clip" not in page

    browser.post(
        f"/presets/{preset.pk}/", {"name": "Television", "embed": ["chapters", "metadata"]}
    )
    preset.refresh_from_db()
    assert preset.name == "Television"
    assert preset.options == {"thumbnail": False, "embed": ["chapters", "metadata"]}

    answer = browser.post(f"/presets/{preset.pk}/delete", follow=True)
    assert "Deleted: Television" in words_of(answer)
    assert not Preset.objects.exists()


def test_a_new_preset_can_begin_as_a_copy(browser: Client) -> None:
    page = text_of(browser.get("/presets/new?from=Archive"))

    assert '<option value="mkv" selected>' in page
    assert browser.get("/presets/new?from=gone").status_code == 200


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"name": ""}, "Enter a name."),
        ({"name": "Best"}, "“Best” comes with vnsite."),
        ({"name": "TV", "subtitles": "en_US"}, "Subtitles: 'en_US' is not a language"),
        ({"name": "TV", "embed": "subtitles"}, "Embedded: Choose the languages"),
    ],
)
def test_a_wrong_preset_is_refused_and_loses_nothing(
    browser: Client, form: dict[str, str], sentence: str
) -> None:
    answer = browser.post("/presets/new", {**form, "rate_limit": "2M"})

    assert answer.status_code == 422
    assert sentence in words_of(answer)
    assert 'value="2M"' in text_of(answer)
    assert not Preset.objects.exists()


def test_staff_share_and_others_cannot(browser: Client, staff: User, user: User) -> None:
    form = {"name": "TV", "is_shared": "on"}
    browser.post("/presets/new", form)
    assert not Preset.objects.get().is_shared
    assert "is_shared" not in text_of(browser.get("/presets/new"))

    of_staff = Client()
    of_staff.force_login(staff)
    of_staff.post("/presets/new", {**form, "name": "Everybody's"})

    assert "Everybody's" in [each.name for each in presets.offered(user)]
    assert "Everybody's Shared" in words_of(of_staff.get("/presets/"))


def test_nobody_elses_preset_is_there_not_even_for_staff(staff: User, user: User) -> None:
    preset = save(user, "TV")
    of_staff = Client()
    of_staff.force_login(staff)

    assert of_staff.get(f"/presets/{preset.pk}/").status_code == 404
    assert of_staff.post(f"/presets/{preset.pk}/", {"name": "x"}).status_code == 404
    assert of_staff.post(f"/presets/{preset.pk}/delete").status_code == 404
    assert of_staff.get(f"/presets/{10**30}/").status_code == 404
    assert Preset.objects.get().name == "TV"


def test_the_default_is_marked_and_taken_back(browser: Client, user: User) -> None:
    save(user, "TV")
    browser.post("/presets/default", {"key": "tv"})
    assert "TV Default" in words_of(browser.get("/presets/"))

    answer = browser.post("/presets/default", {"key": "gone"}, follow=True)
    assert "There is no preset named “gone”." in words_of(answer)
    assert presets.default_of(user) == "tv"

    browser.post("/presets/default", {"key": ""})
    assert presets.default_of(user) == ""
