"""What may come in as a link or an option, at every entrance, and once more in the worker."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from downloads.accounts import tokens
from downloads.models import Download
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Outcome
from tests.helpers.scripted_site import Canary
from tests.helpers.worker import running_worker, submit, wait_for_state

pytestmark = pytest.mark.sqlite  # about what never comes to the database

# What yt-dlp takes, or turns into something that it takes: read a file, run a command, be a link.
# {port} is the canary's.
NO_LINKS = [
    "file:///etc/passwd",
    "file:/etc/passwd",
    "FILE:///etc/passwd",
    "ftp://127.0.0.1:{port}/video.mp4",
    "data:text/html,<video src=http://127.0.0.1:{port}/>",
    "data:video/mp4;base64,AAAA",
    "rtmp://127.0.0.1:{port}/app/video",
    "rtsp://127.0.0.1:{port}/video",
    "mms://127.0.0.1:{port}/video",
    "ws://127.0.0.1:{port}/video",
    "gopher://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/video.mp4",
    "127.0.0.1:{port}/video.mp4",
    "example.org",
    "ytsearch:video",
    "ytsearch5:video",
    "gvsearch:video",
    ":ytfav",
    ":tt",
    "ytdl://example.org/video",
    "youtube:aaaaaaaaaaa",
    "aaaaaaaaaaa",  # the id of a video
    "-J",
    "--",
    "--exec=touch touched",
    "--batch-file=/etc/passwd",
    "--config-locations=/etc/passwd",
    "--load-info-json=/etc/passwd",
    "-a/etc/passwd",
    "@/etc/passwd",
    "/etc/passwd",
    "https:/example.org/",
    "https:example.org",
    "https://user:secret@example.org/",
    "https://\\\\127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\\\@example.org/",
    "http://2130706433:{port}/",
    "http://0x7f.1:{port}/",
    "http://127%2e0%2e0%2e1:{port}/",
    "http://[::1%25lo]:{port}/",
    "https://example.org/\u202egro.elpmaxe",
    "https://example.org/\x1b[31m",
    "https:\u2044\u2044example.org/",
    "javascript:alert(1)",
    "https://",
]
OPTIONS = {
    "exec": "touch touched",
    "batch_file": "/etc/passwd",
    "config_locations": ["/etc"],
    "cookiefile": "/etc/passwd",
    "cookiesfrombrowser": ["chrome"],
    "enable_file_urls": True,
    "external_downloader": "touch",
    "ffmpeg_location": "/tmp",
    "format": "best",
    "http_headers": {"Cookie": "a=b"},
    "js_runtimes": {"node": {"path": "/bin/sh"}},
    "load_info_filename": "/etc/passwd",
    "netrc_cmd": "touch touched",
    "nocheckcertificate": True,
    "outtmpl": "/tmp/%(title)s",
    "paths": {"home": "/"},
    "plugin_dirs": ["/tmp"],
    "postprocessors": [{"key": "Exec", "exec_cmd": "touch touched"}],
    "proxy": "http://127.0.0.1:1",
    "usenetrc": True,
}


@pytest.mark.django_db
@pytest.mark.parametrize("text", NO_LINKS)
def test_no_entrance_takes_it_for_a_link(user: User, canary: Canary, text: str) -> None:
    link = text.format(port=canary.port)
    page, script = Client(), Client(headers={"Authorization": f"Bearer {token_of(user)}"})
    page.force_login(user)

    form = page.post("/downloads/", {"urls": link, "quality": "best", "audio": ""})
    one = script.post("/api/v1/downloads", json.dumps({"url": link}), "application/json")
    body = json.dumps({"urls": [link]})
    batch = script.post("/api/v1/downloads/batch", body, "application/json")
    with pytest.raises(CommandError):
        call_command("add_download", "--", link, stdout=StringIO())
    with pytest.raises((CommandError, SystemExit)):
        call_command("add_download", link, stdout=StringIO(), stderr=StringIO())

    assert form.status_code == 422
    assert (one.status_code, [error["field"] for error in one.json()["errors"]]) == (422, ["url"])
    assert [result["result"] for result in batch.json()["results"]] == ["error"]
    assert not Download.objects.exists()


def token_of(user: User) -> str:
    return tokens.issue(user, name="test")


@pytest.mark.django_db
@pytest.mark.parametrize("name", OPTIONS)
def test_no_option_of_yt_dlp_is_taken(user: User, name: str) -> None:
    link, value = "https://example.org/video", OPTIONS[name]
    page, script = Client(), Client(headers={"Authorization": f"Bearer {token_of(user)}"})
    page.force_login(user)

    for path, wish in (("", {"url": link}), ("/batch", {"urls": [link]})):
        body = json.dumps({**wish, "options": {name: value}})
        answer = script.post(f"/api/v1/downloads{path}", body, "application/json")
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [f"options.{name}"]
        top = script.post(
            f"/api/v1/downloads{path}", json.dumps({**wish, name: value}), "application/json"
        )
        assert top.status_code == 422
    for option in (f"--{name.replace('_', '-')}", f"--{name.replace('_', '-')}={value}"):
        with pytest.raises((CommandError, SystemExit)):
            call_command("add_download", option, link, stdout=StringIO(), stderr=StringIO())
    assert not Download.objects.exists()

    form = {"urls": link, "quality": "best", "audio": "", name: json.dumps(value)}
    page.post("/downloads/", form)
    assert Download.objects.get().options == DownloadOptions().as_dict()


def test_the_worker_takes_no_such_row_either(
    shared_db: None, clean_disk: None, canary: Canary
) -> None:
    """Whoever wrote it: another version, another program, a hand."""
    links = [text.format(port=canary.port) for text in NO_LINKS]
    downloads = [submit(link) for link in links]
    tampered = submit("https://vnsite.invalid/video.mp4")
    Download.objects.filter(pk=tampered.pk).update(options={"quality": "best", **OPTIONS})

    with running_worker():
        for download in [*downloads, tampered]:
            wait_for_state(download, "cleaned", seconds=60)

    assert {download.outcome for download in [*downloads, tampered]} == {Outcome.FAILED}
    assert {download.error_class for download in downloads} == {ErrorClass.POLICY_BLOCKED}
    assert not Path("touched").exists()
