"""What a line of the log looks like, whoever logs it."""

import contextlib
import errno
import io
import json
import logging
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from downloads import logs
from downloads.models import AttemptLog, Download, Worker, submissions
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import State
from tests.diagnostics.test_checks import configured
from tests.helpers import lives
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.serving import Serving, serving
from tests.helpers.worker import ROOT, wait_for_state

CANARY = "cAnArY7"


class Lines(logging.Handler):
    """Keeps what a logger says, formatted."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.setFormatter(logs.LogFormatter(as_json=as_json))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logger() -> logging.Logger:
    logger = logging.Logger("downloads.test")  # known to nobody else
    logger.setLevel(logging.DEBUG)
    return logger


@pytest.fixture
def console(logger: logging.Logger) -> Lines:
    handler = Lines(as_json=False)
    logger.addHandler(handler)
    return handler


@pytest.fixture
def as_json(logger: logging.Logger) -> Lines:
    handler = Lines(as_json=True)
    logger.addHandler(handler)
    return handler


def fail_with(message: str) -> None:
    raise ValueError(message)


def test_a_line_on_the_console(logger: logging.Logger, console: Lines) -> None:
    with logs.about(correlation_id="abc", attempt=2):
        logger.info("%s is completed", "abc")

    [line] = console.lines
    _, _, rest = line.partition(" ")
    assert rest == "INFO downloads.test: abc is completed [correlation_id=abc attempt=2]"


def test_a_line_of_json(logger: logging.Logger, as_json: Lines) -> None:
    with logs.about(correlation_id="abc", attempt=2, worker="host-1"):
        logger.warning("“%s” gives way", "abc")

    [line] = as_json.lines
    values = json.loads(line)
    assert values.pop("timestamp").endswith("Z")
    assert values == {
        "event": "“abc” gives way",
        "level": "warning",
        "logger": "downloads.test",
        "correlation_id": "abc",
        "attempt": 2,
        "worker": "host-1",
    }


def test_fields_are_added_and_go_with_what_they_were_about(
    logger: logging.Logger, console: Lines
) -> None:
    with logs.about(worker="w"):
        with logs.about(correlation_id="abc"):
            logger.info("inner")
        logger.info("outer")
    logger.info("none")

    assert [line.partition(": ")[2] for line in console.lines] == [
        "inner [worker=w correlation_id=abc]",
        "outer [worker=w]",
        "none",
    ]


def test_another_thread_has_fields_of_its_own(logger: logging.Logger, console: Lines) -> None:
    with logs.about(correlation_id="abc"):
        thread = threading.Thread(target=logger.info, args=("elsewhere",))
        thread.start()
        thread.join()

    assert console.lines[0].endswith(": elsewhere")


def test_a_message_is_one_line_and_steers_no_terminal(
    logger: logging.Logger, console: Lines, as_json: Lines
) -> None:
    logger.info("%s", "a\x1b[2J\n2026-01-01 ERROR forged\u202e\u2028\ud800")

    for line in console.lines + as_json.lines:
        assert len(line.splitlines()) == 1
        assert line.isprintable()
    assert json.loads(as_json.lines[0])["event"].startswith(r"a\x1b[2J\n2026")


def test_no_line_of_a_traceback_looks_like_a_line_of_ours(
    logger: logging.Logger, console: Lines
) -> None:
    try:
        fail_with(f"no\n2026-01-01 INFO forged \x1b[31m token={CANARY}")
    except ValueError:
        logger.exception("it broke")

    first, *others = console.lines[0].splitlines()
    assert first.endswith("ERROR downloads.test: it broke")
    assert others[0] == "  | Traceback (most recent call last):"
    assert all(line.startswith("  | ") and line.isprintable() for line in others)
    assert any("forged" in line for line in others)
    assert CANARY not in console.lines[0]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Make room"),
        (errno.EROFS, "Mount it"),
        (errno.EACCES, "manage.py doctor"),
        (errno.EIO, "manage.py doctor"),
        (errno.ESTALE, "manage.py doctor"),
        (errno.EMFILE, "manage.py doctor"),
    ],
)
def test_an_error_of_the_disk_is_one_line_with_its_remedy(
    logger: logging.Logger, console: Lines, number: int, remedy: str
) -> None:
    try:
        raise OSError(number, os.strerror(number), "/data/x")
    except OSError as error:
        logs.failed(logger, "abc: the attempt broke", error)

    [line] = console.lines
    assert line.isprintable()
    assert "/data/x" in line
    assert remedy in line


def test_an_error_that_nobody_foresaw_keeps_its_traceback(
    logger: logging.Logger, console: Lines
) -> None:
    try:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
    except OSError as error:
        logs.failed(logger, "abc: the attempt broke", error)

    assert any("Traceback" in line for line in console.lines)


def test_a_traceback_is_a_field_of_the_object(logger: logging.Logger, as_json: Lines) -> None:
    try:
        fail_with(f"password={CANARY}")
    except ValueError:
        logger.exception("it broke")

    [line] = as_json.lines
    assert json.loads(line)["exception"].endswith("ValueError: password=[redacted]")
    assert CANARY not in line


def test_arguments_and_fields_are_redacted(
    logger: logging.Logger, console: Lines, as_json: Lines
) -> None:
    with logs.about(correlation_id=f"token={CANARY}"):
        logger.info("%s", ValueError(f"https://u:{CANARY}@host/"))
        logger.info("%s", {"Cookie": CANARY})

    for line in console.lines + as_json.lines:
        assert CANARY not in line


def run_python(code: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); import logging, sys\n{code}"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "vnsite.settings",
            "VNSITE_DATA_DIR": str(data_dir),
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )


def test_libraries_log_through_the_same_format(tmp_path: Path) -> None:
    code = "for name in ('django.db', 'axes', 'twisted'): logging.getLogger(name).error('%s', name)"

    done = run_python(code, tmp_path, VNSITE_LOG_FORMAT="json")

    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [each["event"] for each in said] == ["django.db", "axes", "twisted"]


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["downloads debug", "downloads info", "downloads error", "django error"]),
        ("info", ["downloads info", "downloads error", "django error"]),
        ("warning", ["downloads error", "django error"]),
    ],
)
def test_how_much_is_said(tmp_path: Path, level: str, said: list[str]) -> None:
    code = (
        "for name in ('downloads', 'django'):\n"
        " for level in ('debug', 'info', 'error'):\n"
        "  getattr(logging.getLogger(name + '.x'), level)('%s %s', name, level)"
    )

    done = run_python(code, tmp_path, VNSITE_LOG_LEVEL=level)

    assert [line.partition(": ")[2] for line in done.stderr.splitlines()] == said


def test_structlog_is_not_imported_before_the_first_line(tmp_path: Path) -> None:
    """It takes as long as a tenth of what a worker needs to begin with its recovery."""
    code = (
        "import downloads.worker.worker\n"
        "print('structlog' in sys.modules)\n"
        "logging.getLogger('downloads').error('x')\n"
        "print(*({'structlog', 'twisted', 'rich'} & sys.modules.keys()))\n"
        "import rich.console"
    )

    done = run_python(code, tmp_path)

    assert done.stdout.split() == ["False", "structlog"]


# Nothing of a secret is told anywhere.


def leading_to_errors(site: ScriptedSite, film: bytes) -> dict[str, str]:
    """Links with a secret in them, to a site that sends more of it; by what becomes of them."""
    cookie = {"Set-Cookie": f"sid={CANARY}; Path=/"}
    private = f"http://user:{CANARY}@127.0.0.1:1/x?key={CANARY}"
    elsewhere = f"http://user:{CANARY}@{site.origin}/gone?access_token={CANARY}"
    page = f'<title>\x1b[31mA film</title><video src="/film.mp4?sig={CANARY}"></video>'
    site.serve("/film.mp4", Answer(body=film, media_type="video/mp4", headers=cookie))
    site.serve("/watch", Answer(body=page, headers=cookie))
    site.serve("/private", Answer(status=302, headers={"Location": private, **cookie}))
    site.serve("/elsewhere", Answer(status=302, headers={"Location": elsewhere, **cookie}))
    site.serve("/refused", Answer(status=403, body=f"token={CANARY}", headers=cookie))
    endings = {
        "/watch": "completed",
        "/private": "policy_blocked",
        "/elsewhere": "unavailable",
        "/refused": "forbidden",
    }
    return {site.url(f"{path}?token={CANARY}"): end for path, end in endings.items()}


def submit_for(user: User, url: str) -> Download:
    [answer] = submissions.submit([(url, DownloadOptions())], owner=user, actor="test")
    answer.download.note(max_attempts=1)
    return answer.download


def everything_stored() -> Iterator[tuple[str, str, str]]:
    """(table, column, value as a text) of all that is in the database."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    yield table, column, str(value)


def everything_under(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        yield path.name
        if path.is_file():
            yield path.read_bytes().decode(errors="replace")


def told_by_the_api(server: Serving, user: User, download: Download) -> str:
    address = f"/api/v1/downloads/{download.correlation_id}"
    values = json.loads(server.ask(address, user=user).body)
    assert CANARY in values.pop("url")  # its owner may see what they typed
    return json.dumps(values) + server.ask(f"{address}/log", user=user).body.decode()


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_a_secret_is_told_nowhere_but_in_the_link_that_its_owner_typed(
    scripted_site: ScriptedSite, media_server: MediaServer, user: User, log_format: str
) -> None:
    with urllib.request.urlopen(media_server.url("/small/1.mp4")) as answer:
        links = leading_to_errors(scripted_site, answer.read())
    environment = {
        "VNSITE_LOG_FORMAT": log_format,
        "VNSITE_LOG_LEVEL": "debug",
        "VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin,
    }
    with serving(**environment) as server, server.listen(user=user) as stream:
        downloads = {url: submit_for(user, url) for url in links}
        for url, end in links.items():
            row = wait_for_state(downloads[url], "cleaned", seconds=60)
            assert (row.error_class or row.outcome) == end, url
        frames = str(stream.transitions(len(links)))
        answers = [told_by_the_api(server, user, each) for each in downloads.values()]
        said = server.said()

    assert any(CANARY in request.path for request in scripted_site.requests)
    assert "[redacted]" in said
    assert all("[redacted]" in log.text for log in AttemptLog.objects.all())
    assert CANARY not in said + frames + "".join(answers)
    assert "\x1b" not in said + "".join(answers)
    told = {(table, column) for table, column, value in everything_stored() if CANARY in value}
    told.discard(("downloads_search", "url"))  # SQLite's index: it has the texts of downloads
    assert told == {("downloads_download", "url"), ("downloads_libraryentry", "url")}
    assert not any(CANARY in text for text in everything_under(settings.VNSITE.temp_root))
    if log_format == "json":
        assert_every_line_says_what_it_is_about(said)


def assert_every_line_says_what_it_is_about(said: str) -> None:
    lines = [json.loads(line) for line in said.splitlines()]
    of_attempts = [line for line in lines if line["logger"] == "downloads.worker.owned"]
    of_children = [line for line in lines if line["logger"] == "downloads.fetch"]
    assert of_attempts
    assert of_children
    for line in of_attempts + of_children:
        assert re.fullmatch(r"[0-9a-f]{12}", line["correlation_id"])
        assert line["attempt"] == 1
        assert line["worker"]


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_an_error_is_stored_without_its_secrets() -> None:
    running = lives.start(lives.submit())
    said = f"\x1b[31mat https://u:{CANARY}@host/\ntoken={CANARY}"

    entry = running.move(
        State.FAILED,
        actor="test",
        reason=ErrorClass.NETWORK,
        data={"message": said},
        error_class=ErrorClass.NETWORK,
        error_data={"message": said},
    )

    running.refresh_from_db()
    told = "\\x1b[31mat https://[redacted]@host/\ntoken=[redacted]"
    assert (entry.data, running.error_data) == ({"message": told}, {"message": told})


# What clients and file names cannot do to a log and a terminal.


@pytest.mark.usefixtures("shared_db")
def test_what_visitors_do_is_no_traceback(user: User) -> None:
    hurried = socket.SO_LINGER, struct.pack("ii", 1, 0)  # closes with a reset
    end = b"Host: localhost\r\nConnection: close\r\n\r\n"
    with serving("--no-worker") as server:
        for request in (
            b"garbage \x1b[31m\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n" + end,
            b"GET /%ff%00%1b[31m HTTP/1.1\r\n" + end,
            b"GET / HTTP/1.1\r\nHost: \x1b[31m\r\n\r\n",
            b"POST /login/ HTTP/1.1\r\nContent-Length: abc\r\n" + end,
            b"POST /login/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + end + b"zz\r\n",
            b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nabc",
            b"GET /login/ HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20,
        ):
            with socket.create_connection(server.address) as browser:
                browser.setsockopt(socket.SOL_SOCKET, *hurried)
                browser.sendall(request)
        with server.listen(user=user) as stream:
            stream.next("hello")
        assert server.ask("/healthz").status == 200
        server.send(signal.SIGTERM)
        server.wait()
        said = server.said()

    assert "Traceback" not in said
    assert "\x1b" not in said


def test_the_download_of_a_request_is_named(client: Client, user: User, clean_disk: None) -> None:
    completed = lives.complete(lives.submit(user))
    shutil.rmtree(settings.VNSITE.media_root / completed.library_path)
    client.force_login(user)
    handler = Lines(as_json=True)
    media_logger = logging.getLogger("downloads.web.media")
    media_logger.addHandler(handler)
    try:
        client.get(f"/media/{completed.correlation_id}/clip.mp4")
    finally:
        media_logger.removeHandler(handler)

    [line] = handler.lines
    assert json.loads(line)["correlation_id"] == completed.correlation_id


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
@pytest.mark.parametrize("command", ["check_lifecycle", "cleanup_orphans", "doctor"])
def test_no_name_steers_the_terminal_of_a_command(command: str) -> None:
    name = "\x1b[2J\nI0 forged"
    (settings.VNSITE.media_root / name).mkdir(parents=True)
    settings.VNSITE.temp_root.mkdir(parents=True)
    lives.fail(lives.submit(url="https://example.org/\x1b[31m"))
    Worker.objects.update(name=name)
    out = io.StringIO()

    with contextlib.suppress(SystemExit):
        call_command(command, stdout=out, no_color=True)

    assert "\x1b" not in out.getvalue()
    assert "\nI0 forged" not in out.getvalue()


@pytest.mark.django_db
def test_no_name_of_a_folder_steers_the_terminal_of_who_cleans_up(tmp_path: Path) -> None:
    out = io.StringIO()

    with configured(temp_dir=tmp_path / "\x1b[2J"):
        lives.start(lives.submit(), lives.make_worker(heartbeat_at=lives.long_ago()))
        call_command("cleanup_orphans", "--dry-run", stdout=out, no_color=True)

    assert r"\x1b[2J" in out.getvalue()
    assert "\x1b" not in out.getvalue()


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_a_breach_names_the_file_with_its_characters_escaped() -> None:
    (settings.VNSITE.media_root / "\x1b[2J").mkdir(parents=True)
    out = io.StringIO()

    with contextlib.suppress(SystemExit):
        call_command("check_lifecycle", stdout=out, no_color=True)

    assert r"\x1b[2J" in out.getvalue()
