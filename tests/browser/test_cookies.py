"""From a site that wants a login to its video, as a person does it, with scripts and without."""

from time import time

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect

from downloads.models import Download
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Request, ScriptedSite
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for

SECRET = "canary-of-a-cookie-0123456789"
LINE = f"127.0.0.1\tFALSE\t/\tFALSE\t{int(time() + 9e6)}\tsession\t{SECRET}"


@pytest.fixture
def site_settings(scripted_site: ScriptedSite) -> dict[str, str]:
    return {"VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin}


@pytest.fixture
def private_link(scripted_site: ScriptedSite, media_server: MediaServer) -> str:
    def video(request: Request) -> Answer:
        if SECRET not in request.headers.get("Cookie", ""):
            return Answer(status=401)
        return Answer(body=media_server.file("video.mp4").read_bytes(), media_type="video/mp4")

    return scripted_site.serve("/private.mp4", video)


@pytest.mark.parametrize("has_scripts", [True, False])
def test_a_login_is_asked_for_given_and_used_by_a_retry(
    browser: Browser, site: Serving, user: User, private_link: str, has_scripts: bool
) -> None:
    context = browser.new_context(base_url=site.url, java_script_enabled=has_scripts)
    context.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page = context.new_page()
    sign_in(page, user)
    page.get_by_role("textbox", name="Links").fill(private_link)
    page.get_by_role("button", name="Add", exact=True).click()
    download = wait_for(Download.objects.first, what="the download")
    wait_for(lambda: Download.objects.filter(outcome="failed").exists(), what="it to fail")

    page.goto(f"downloads/{download.correlation_id}/")
    page.get_by_role("link", name="Add cookies of 127.0.0.1").click()
    page.get_by_label("cookies.txt or JSON").fill(LINE)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("A retry uses them.")).to_be_visible()
    page.get_by_role("button", name="Retry").click()

    wait_for(lambda: Download.objects.filter(outcome="completed").exists(), what="the video")
    page.goto("cookies/")
    page.get_by_role("link", name="127.0.0.1").click()
    expect(page.get_by_text("session")).to_be_visible()
    assert SECRET not in page.content()
    context.close()
