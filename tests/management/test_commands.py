"""doctor, create_token and add_download: what they print, and how they end."""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command, execute_from_command_line
from django.core.management.base import OutputWrapper
from django.db import connection
from django.utils import timezone

from downloads import actions
from downloads.accounts import tokens
from downloads.management.commands.add_download import Command as AddDownload
from downloads.management.commands.add_download import Watch
from downloads.models import ApiToken, Download, Preset, Progress, Worker
from downloads.rules.errors import ErrorClass
from downloads.rules.links import MAX_LINKS
from downloads.rules.option_kinds import Flag
from downloads.rules.options import OPTIONS, DownloadOptions
from downloads.rules.presets import SHIPPED, OfferedPreset
from downloads.rules.states import Phase, Reason, State
from tests.diagnostics.test_checks import configured
from tests.diagnostics.test_health import unreachable_database
from tests.helpers import lives
from tests.helpers.presets import save

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*arguments: str, out: StringIO | None = None) -> tuple[int, str, str]:
    """Call a command in this process; its code, and what it wrote."""
    out, err = out or StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as ending:
        return int(ending.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def site_in(folder: Path) -> dict[str, str]:
    """The environment of a site of its own, without anything of this one."""
    ours = ("VNSITE_", "DJANGO_SETTINGS_MODULE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return inherited | {"VNSITE_DATA_DIR": str(folder)}


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` as a person does."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# doctor


@pytest.mark.django_db
def test_doctor_ends_with_2_on_a_failure_and_says_what_to_do() -> None:
    code, out, _ = run("doctor")

    assert code == 2
    assert "failure  worker" in out
    assert "→ Start manage.py serve" in out


def test_doctor_ends_with_2_when_the_data_directory_cannot_be_made() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env=os.environ | {"VNSITE_DATA_DIR": "/proc/vnsite"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "VNSITE_DATA_DIR: /proc/vnsite cannot be written (No such file or directory)."
    ]


@pytest.mark.django_db
def test_doctor_ends_with_0_when_there_are_only_warnings() -> None:
    lives.make_worker()
    with configured(secret_key="", secret_key_file=Path("/etc/hostname")):
        code, out, _ = run("doctor")

    assert code == 0
    assert "warning  secret key" in out


@pytest.mark.django_db
def test_a_strict_doctor_ends_with_1_when_there_are_only_warnings() -> None:
    lives.make_worker()
    with configured(secret_key="", secret_key_file=Path("/etc/hostname")):
        code, _, _ = run("doctor", "--strict")

    assert code == 1


@pytest.mark.django_db
def test_doctor_prints_one_json_object() -> None:
    code, out, _ = run("doctor", "--json")

    report = json.loads(out)
    assert code == 2
    assert report["level"] == "failure"
    assert all(check.keys() == {"name", "level", "sentence", "fix"} for check in report["checks"])


def test_doctor_explains_what_stops_the_others(tmp_path: Path) -> None:
    environment = site_in(tmp_path)
    environment |= {"VNSITE_MEDIA_DIR": str(tmp_path), "VNSITE_TEMP_DIR": str(tmp_path)}

    other, doctor = manage(environment, "create_token", "a"), manage(environment, "doctor")

    assert other.returncode == 1
    assert "are the same folder" in other.stderr
    assert doctor.returncode == 2
    assert "are the same folder" in doctor.stdout


def test_doctor_speaks_of_a_database_without_tables(tmp_path: Path) -> None:
    done = manage(site_in(tmp_path), "doctor")

    assert done.returncode == 2
    assert "Migrations that are not applied" in done.stdout
    assert done.stderr == ""


# create_token


def test_a_token_is_printed_alone_and_works(user: User) -> None:
    code, out, _ = run("create_token", "ursula", "--name", "laptop")

    assert code == 0
    row = ApiToken.objects.get()
    assert tokens.find(out.strip()) == row
    assert row.user == user
    assert (row.name, row.expires_at) == ("laptop", None)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("4w", timedelta(weeks=4)),
    ],
)
def test_a_token_expires_after_a_duration(user: User, text: str, duration: timedelta) -> None:
    before = timezone.now()

    run("create_token", "ursula", "--expires", text)

    expires_at = ApiToken.objects.get().expires_at
    assert expires_at is not None
    assert before + duration <= expires_at <= timezone.now() + duration


def test_a_token_works_on_its_last_day(user: User) -> None:
    run("create_token", "ursula", "--expires", "2999-12-31")

    expires_at = ApiToken.objects.get().expires_at
    assert expires_at is not None
    assert expires_at.isoformat() == "3000-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "text", ["soon", "0d", "-1d", "1y", "2001-01-01", "2999-13-01", "9999-12-31", "999999w", ""]
)
def test_a_wrong_expiry_makes_no_token(user: User, text: str) -> None:
    with pytest.raises(CommandError, match="--expires"):
        run("create_token", "ursula", f"--expires={text}")

    assert not ApiToken.objects.exists()


@pytest.mark.django_db
def test_an_unknown_user_gets_no_token() -> None:
    with pytest.raises(CommandError, match="There is no user named 'nobody'"):
        run("create_token", "nobody")


# stop_and_keep


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_a_recording_is_asked_to_stop() -> None:
    download = lives.start(lives.submit())
    Progress.objects.filter(download=download).update(phase=Phase.RECORDING)

    code, out, _ = run("stop_and_keep", download.correlation_id)

    download.refresh_from_db()
    assert (code, download.keep_requested_by) == (0, "command:stop_and_keep")
    assert out == f"{download.correlation_id} is asked to stop\n"


@pytest.mark.django_db
def test_what_does_not_record_is_refused_with_the_reason() -> None:
    waiting = lives.submit().correlation_id

    with pytest.raises(CommandError, match=f"{waiting}: .* not recording"):
        run("stop_and_keep", waiting)
    with pytest.raises(CommandError, match="0123456789ab: there is no such download"):
        run("stop_and_keep", "0123456789ab")


# add_download


@pytest.mark.django_db
def test_links_are_added_and_named() -> None:
    code, out, _ = run("add_download", "https://example.org/a", "https://example.org/b")

    names = list(Download.objects.order_by("id").values_list("correlation_id", flat=True))
    assert code == 0
    assert out.splitlines() == [
        f"{names[0]} created https://example.org/a",
        f"{names[1]} created https://example.org/b",
    ]


@pytest.mark.django_db
def test_links_are_taken_out_of_texts() -> None:
    _, out, errors = run("add_download", "see https://example.org/a and", "<example.org/b>")

    assert [line.split()[1:] for line in out.splitlines()] == [
        ["created", "https://example.org/a"],
        ["created", "https://example.org/b"],
    ]
    assert errors.startswith("Not a link: see\nNot a link: and\n")


def test_a_download_belongs_to_the_user_that_is_named(user: User) -> None:
    run("add_download", "https://example.org/a", "--user", "ursula")

    assert Download.objects.get().owner == user


def test_a_link_that_is_there_is_a_duplicate(user: User) -> None:
    there = lives.submit(user, url="https://example.org/a")

    _, out, _ = run("add_download", "https://example.org/a", "--user", "ursula")

    assert out == f"{there.correlation_id} duplicate https://example.org/a\n"


@pytest.mark.parametrize("preset", SHIPPED, ids=lambda preset: preset.key)
@pytest.mark.django_db
def test_a_preset_that_comes_with_vnsite(preset: OfferedPreset) -> None:
    run("add_download", "https://example.org/a", "--preset", preset.key)

    assert Download.objects.get().options == preset.options.as_dict()


def test_a_preset_of_the_user_that_is_named(user: User) -> None:
    save(user, "TV", quality="720p")
    save(User.objects.create_user("boss", is_staff=True), "Boss", is_shared=True, audio="flac")

    for name in ("tv", "Boss"):
        run("add_download", "https://example.org/a", "--user", "ursula", "--preset", name)

    labels = [DownloadOptions(**each.options).label for each in Download.objects.order_by("id")]
    assert labels == ["720p", "flac"]
    with pytest.raises(CommandError, match="There is no preset named “TV”") as refusal:
        run("add_download", "https://example.org/a", "--preset", "TV")
    assert refusal.value.returncode == 2


def test_a_preset_of_another_version_is_one_clear_line(user: User) -> None:
    save(user, "TV", quality="720p")
    Preset.objects.update(options={"holograms": True})

    with pytest.raises(CommandError, match="another version of vnsite"):
        run("add_download", "https://example.org/a", "--user", "ursula", "--preset", "TV")

    assert not Download.objects.exists()


@pytest.mark.django_db
def test_a_flag_goes_before_the_preset() -> None:
    arguments = ("--preset", "devices", "--quality", "360p", "--no-compatible")

    run("add_download", "https://example.org/a", *arguments)

    chosen = DownloadOptions(quality="360p", container="mp4")
    assert Download.objects.get().options == chosen.as_dict()


@pytest.mark.parametrize("name", OPTIONS)
def test_the_help_says_what_an_option_means(name: str) -> None:
    text = " ".join(AddDownload().create_parser("manage.py", "add_download").format_help().split())

    flag = name.replace("_", "-")
    value = f", --no-{flag}" if isinstance(OPTIONS[name], Flag) else f" {OPTIONS[name].metavar}"
    assert f"--{flag}{value} {OPTIONS[name].description}" in text


@pytest.mark.django_db
def test_one_wrong_link_adds_none() -> None:
    with pytest.raises(CommandError, match="'nonsense': A link must begin with") as caught:
        run("add_download", "https://example.org/a", "nonsense")

    assert caught.value.returncode == 2
    assert not Download.objects.exists()


@pytest.mark.django_db
def test_ten_thousand_links_are_refused_and_nothing_is_added() -> None:
    links = [f"https://example.org/{number}" for number in range(10_000)]

    with pytest.raises(CommandError, match=f"At most {MAX_LINKS} links at once") as caught:
        run("add_download", *links)

    assert caught.value.returncode == 2
    assert not Download.objects.exists()


@pytest.mark.django_db
def test_what_is_not_seen_in_a_link_is_shown_escaped() -> None:
    _, out, _ = run("add_download", "https://example.org/a\u200db")

    assert out.endswith(r" created https://example.org/a\u200db" + "\n")


@pytest.mark.django_db
def test_a_user_that_is_not_there_adds_nothing() -> None:
    with pytest.raises(CommandError, match="There is no user named 'nobody'") as caught:
        run("add_download", "https://example.org/a", "--user", "nobody")

    assert caught.value.returncode == 2
    assert not Download.objects.exists()


@pytest.mark.django_db
def test_an_unreachable_database_is_one_line() -> None:
    with (
        unreachable_database(),
        pytest.raises(CommandError, match="The database is not usable: unable to open"),
    ):
        run("add_download", "https://example.org/a")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["add_download"], 2, "the following arguments are required: URL"),
        (["add_download", "http://e.org", "--preset", "4k"], 2, "There is no preset named “4k”"),
        (
            ["add_download", "http://e.org", "--audio", "wav"],
            2,
            "argument --audio: 'wav' is not one of",
        ),
        (["add_download", "nonsense"], 2, "CommandError: 'nonsense': A link must begin with"),
        (["create_token"], 2, "the following arguments are required: USER"),
        (["create_token", "nobody"], 2, "CommandError: There is no user named 'nobody'"),
        (["create_token", "a", "--expires", "soon"], 2, "is not a duration"),
        (["doctor", "--loud"], 2, "unrecognized arguments: --loud"),
    ],
)
def test_a_mistake_is_one_clear_line(
    shared_db: None,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    line: str,
) -> None:
    with pytest.raises(SystemExit) as ending:
        execute_from_command_line(["manage.py", *arguments])

    said = capsys.readouterr().err
    assert ending.value.code == code
    assert line in said
    assert "Traceback" not in said


def test_a_database_without_tables_is_one_clear_line(tmp_path: Path) -> None:
    done = manage(site_in(tmp_path), "add_download", "https://example.org/a")

    assert done.returncode == 1
    assert "The database is not usable: no such table" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["doctor", "create_token", "add_download"])
def test_a_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as ending:
        execute_from_command_line(["manage.py", command, "--help"])

    assert ending.value.code == 0
    assert f"manage.py {command}" in capsys.readouterr().out


# add_download --wait


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Steps(threading.Thread):
    """Brings the only download to its end, as soon as there is one."""

    def __init__(self, *, ending: str) -> None:
        """`ending`: an error class, "completed", or "cancelled", which needs no worker."""
        super().__init__()
        self.ending = ending

    def run(self) -> None:
        try:
            download = self._first()
            if self.ending == "completed":
                lives.complete(download)
            elif self.ending == "cancelled":
                actions.cancel(download, actor="test")
            else:
                lives.fail(download, ErrorClass(self.ending))
        finally:
            connection.close()

    def _first(self) -> Download:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            download = Download.objects.first()
            if download:
                return download
            time.sleep(0.01)
        raise TimeoutError("nothing was added")


def wait(*, ending: str, out: StringIO | None = None) -> tuple[int, str, str]:
    """Add a download and watch it with the command while a thread brings it to its end."""
    steps = Steps(ending=ending)
    steps.start()
    try:
        return run("add_download", "https://example.org/a", "--wait", out=out)
    finally:
        steps.join()


def test_waiting_prints_every_transition_and_the_files(shared_db: None) -> None:
    code, out, _ = wait(ending="completed")

    words = [line.split(maxsplit=1)[1] for line in out.splitlines()]
    name = Download.objects.get().correlation_id
    assert code == 0
    assert words == [
        "created https://example.org/a",
        "created (submitted)",
        "initializing (claimed)",
        "ready (directory_made)",
        "downloading (child_started)",
        "completed (published)",
        f"completed: Title [{name}]",
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_no_name_in_the_library_steers_the_terminal_of_who_waited() -> None:
    download = lives.start(lives.submit())
    download.decide_to_publish(library_path="\x1b[2J", manifest={})
    download.move(State.COMPLETED, actor="test", reason=Reason.PUBLISHED)
    out = StringIO()

    Watch(OutputWrapper(out), [download]).until_ended()

    assert out.getvalue().endswith(rf"{download.correlation_id} completed: \x1b[2J" + "\n")


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_waiting_says_that_a_link_is_a_list_or_is_there_already_or_was_checked(user: User) -> None:
    listed = lives.list_up(lives.submit(user), lives.entry(1), lives.entry(2)).download
    had = lives.start(lives.submit(user))
    had.complete_as_had(have=listed, actor="test")
    checked = lives.start(lives.submit(user, check=True))
    checked.complete_as_checked(actor="test", media={"duration": 60, "height": 720})
    out = StringIO()

    Watch(OutputWrapper(out), [listed, had, checked]).until_ended()

    assert out.getvalue().splitlines()[-3:] == [
        f"{listed.correlation_id} completed: a list with 2 entries",
        f"{had.correlation_id} completed: it is there already, of {listed.correlation_id}",
        f"{checked.correlation_id} completed: Checked: 1 min 00 s, 720p",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("again", [True, False])
def test_what_is_there_already_is_added_again_on_purpose(again: bool) -> None:
    run("add_download", "https://example.org/a", *(["--again"] if again else []))

    assert Download.objects.get().is_again is again


def test_waiting_ends_with_1_when_one_failed(shared_db: None) -> None:
    code, out, _ = wait(ending="drm")

    assert code == 1
    assert "failed: The video is protected by DRM." in out.splitlines()[-1]


def test_waiting_ends_when_the_download_is_forgotten(shared_db: None) -> None:
    download = lives.submit(url="https://example.org/a")
    watch = Watch(OutputWrapper(StringIO()), [download])
    download.forget()

    assert watch.until_ended() is False


def test_waiting_says_that_no_worker_is_running(shared_db: None) -> None:
    Worker.objects.all().delete()

    _, _, err = wait(ending="cancelled")

    assert err == "No worker is running: the downloads wait until one is.\n"


def test_a_terminal_shows_bars_that_go_away(shared_db: None) -> None:
    code, out, _ = wait(ending="completed", out=Terminal())

    name = Download.objects.get().correlation_id
    assert code == 0
    assert "(claimed)" not in out
    assert "\033[2K" in out  # erases a line
    assert out.endswith(f"{name} completed: Title [{name}]\n")
