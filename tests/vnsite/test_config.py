"""Every setting: what it is by itself, what it may be, and what is said when it may not."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vnsite.config import Config, ConfigError, load_config
from vnsite.settings import database_of

PROJECT = Path(__file__).resolve().parent.parent.parent
LONG_KEY = "k" * 40
CANARY = "hunter2-canary"


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An environment with nothing of vnsite but a data directory."""
    for name in [name for name in os.environ if name.upper().startswith("VNSITE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VNSITE_DATA_DIR", str(tmp_path))
    yield tmp_path


def environment(**values: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VNSITE_")}
    return {**kept, "DJANGO_SETTINGS_MODULE": "vnsite.settings", **values}


def manage(*arguments: str, **values: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=environment(**values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


DEFAULTS = {
    "media_dir": None,
    "temp_dir": None,
    "database_url": "",
    "secret_key": "",
    "secret_key_file": None,
    "allowed_hosts": ("localhost", "127.0.0.1", "[::1]"),
    "admin_user": "",
    "admin_password": "",
    "admin_password_file": None,
    "concurrency": 4,
    "https": False,
    "trusted_proxies": (),
    "allow_private_hosts": (),
    "extractor_plugins": (),
    "extractor_helpers": (),
    "cleanup_on_success": True,
    "cleanup_on_failure": True,
    "prefix": "",
    "auth_header": "",
    "auth_header_new_users": "refuse",
    "auth_logout_url": "",
    "accel_prefix": "",
    "user_running": 0,
    "user_waiting": 10_000,
    "user_quota_bytes": 0,
    "max_entries": 10_000,
    "fragments_at_once": 6,
    "site_running": 0,
    "site_pause_seconds": 0,
    "user_streams": 20,
    "streams": 1000,
    "max_attempts": 3,
    "site_failures": 5,
    "site_wait_seconds": 60.0,
    "max_bytes": 10 * 2**30,
    "min_free_bytes": 2**30,
    "lease_seconds": 60,
    "history_days": 0,
    "max_seconds": 21600.0,
    "min_bytes_per_second": 1024,
    "stall_seconds": 60.0,
    "cancel_grace_seconds": 2.0,
    "library_mode": 0o644,
    "library_names": "{title} [{id}]",
    "extractors_update": "check",
    "extractors_channel": "stable",
    "extractors_index": "https://pypi.org/simple/",
    "log_format": "console",
    "log_level": "info",
}


def test_every_setting_has_its_default(data_dir: Path) -> None:
    assert load_config().model_dump() == {"data_dir": data_dir, **DEFAULTS}


def test_the_data_directory_is_var_by_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VNSITE_DATA_DIR")
    monkeypatch.chdir(tmp_path)

    config = load_config()

    assert config.data_dir == tmp_path / "var"
    assert config.media_root == tmp_path / "var" / "media"
    assert config.temp_root == tmp_path / "var" / "tmp"
    assert config.database == f"sqlite:///{tmp_path}/var/vnsite.sqlite3"


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%41", "a b", "ä", "a'b"])
def test_the_database_lies_in_the_data_directory_whatever_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    data = tmp_path / name
    monkeypatch.setenv("VNSITE_DATA_DIR", str(data))

    assert database_of(load_config().database)["NAME"] == str(data / "vnsite.sqlite3")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", sorted(Config.model_fields))
def test_an_empty_value_is_the_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if name == "data_dir":
        return
    monkeypatch.setenv(f"VNSITE_{name.upper()}", "")

    assert getattr(load_config(), name) == DEFAULTS[name]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MEDIA_DIR", "/srv/media", Path("/srv/media")),
        ("TEMP_DIR", "/srv/../srv/tmp/", Path("/srv/tmp")),
        ("DATABASE_URL", "postgres://u:p@h/n", "postgres://u:p@h/n"),
        ("DATABASE_URL", "postgresql://h/n", "postgresql://h/n"),
        ("DATABASE_URL", "sqlite:////data/x.sqlite3", "sqlite:////data/x.sqlite3"),
        ("SECRET_KEY", LONG_KEY, LONG_KEY),
        ("SECRET_KEY_FILE", "/run/secrets/key", Path("/run/secrets/key")),
        ("ALLOWED_HOSTS", " a.example , b.example,", ("a.example", "b.example")),
        ("ADMIN_USER", "boss", "boss"),
        ("ADMIN_PASSWORD", "a, b", "a, b"),
        ("ADMIN_PASSWORD_FILE", "/run/secrets/pw", Path("/run/secrets/pw")),
        ("CONCURRENCY", "1", 1),
        ("CONCURRENCY", "64", 64),
        ("ALLOW_PRIVATE_HOSTS", "10.0.0.0/8,nas:80,[::1]:1", ("10.0.0.0/8", "nas:80", "[::1]:1")),
        ("CLEANUP_ON_SUCCESS", "false", False),
        ("CLEANUP_ON_FAILURE", "0", False),
        ("MAX_ATTEMPTS", "100", 100),
        ("ACCEL_PREFIX", "/protected/", "/protected/"),
        ("PREFIX", "/vnsite", "/vnsite"),
        ("PREFIX", "/tools/video-2", "/tools/video-2"),
        ("AUTH_HEADER_NEW_USERS", "create", "create"),
        ("AUTH_LOGOUT_URL", "https://auth.example/out?a=b", "https://auth.example/out?a=b"),
        ("USER_RUNNING", "2", 2),
        ("USER_WAITING", "0", 0),
        ("USER_QUOTA_BYTES", "0", 0),
        ("SITE_RUNNING", "10000", 10_000),
        ("SITE_PAUSE_SECONDS", "0.5", 0.5),
        (
            "EXTRACTOR_PLUGINS",
            "a-b, yt_dlp_plugins.extractor.c",
            ("a-b", "yt_dlp_plugins.extractor.c"),
        ),
        (
            "EXTRACTOR_HELPERS",
            "127.0.0.1:4416,[::1]:1,pot:80",
            ("127.0.0.1:4416", "[::1]:1", "pot:80"),
        ),
        ("USER_STREAMS", "1", 1),
        ("STREAMS", "0", 0),
        ("SITE_FAILURES", "0", 0),
        ("SITE_WAIT_SECONDS", "1", 1.0),
        ("MAX_BYTES", "1", 1),
        ("MIN_FREE_BYTES", "0", 0),
        ("HISTORY_DAYS", "365", 365),
        ("LEASE_SECONDS", "5", 5),
        ("STALL_SECONDS", "1.5", 1.5),
        ("CANCEL_GRACE_SECONDS", "0", 0.0),
        ("LIBRARY_MODE", "0640", 0o640),
        ("LIBRARY_MODE", "666", 0o666),
        ("LIBRARY_NAMES", "{site}/{title} {id}", "{site}/{title} {id}"),
        ("LOG_FORMAT", "json", "json"),
        ("LOG_LEVEL", "debug", "debug"),
    ],
)
def test_good_values(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: object
) -> None:
    monkeypatch.setenv(f"VNSITE_{name}", value)

    assert getattr(load_config(), name.lower()) == expected


@pytest.mark.parametrize(
    ("name", "is_good"),
    [
        ("Remote-User", True),
        ("X-Forwarded-User", True),
        ("x-webauth-user", True),
        ("Remote_User", False),
        ("Remote User", False),
        ("HOST", False),
        ("Cookie", False),
        ("X-Forwarded-For", False),
        ("Authorization", False),
    ],
)
def test_the_header_of_a_users_name_is_one_that_says_nothing_else(
    monkeypatch: pytest.MonkeyPatch, name: str, is_good: bool
) -> None:
    monkeypatch.setenv("VNSITE_TRUSTED_PROXIES", "127.0.0.1")
    monkeypatch.setenv("VNSITE_AUTH_HEADER", name)

    if is_good:
        assert load_config().auth_header == name
        return
    with pytest.raises(ConfigError, match="needs VNSITE_TRUSTED_PROXIES"):
        load_config()


NAMES = "a name of {title}, {site} or {uploader}, {date}, {year} and always {id}"
BAD = [
    ("DATABASE_URL", "mysql://h/n", "sqlite:///PATH or postgres://"),
    ("DATABASE_URL", "sqlite:///", "sqlite:///PATH or postgres://"),
    ("DATABASE_URL", "sqlite:////data/a#b/x.sqlite3", "sqlite:///PATH or postgres://"),
    ("DATABASE_URL", "sqlite:////data/x.sqlite3?timeout=1", "sqlite:///PATH or postgres://"),
    ("CONCURRENCY", "0", "a whole number from 1 to 64"),
    ("CONCURRENCY", "65", "a whole number from 1 to 64"),
    ("CONCURRENCY", "four", "a whole number from 1 to 64"),
    ("CONCURRENCY", "1.5", "a whole number from 1 to 64"),
    ("ALLOW_PRIVATE_HOSTS", "good,host:0", "host, host:port or network"),
    ("ALLOW_PRIVATE_HOSTS", "10.0.0.0/99", "host, host:port or network"),
    ("CLEANUP_ON_SUCCESS", "maybe", "true or false"),
    ("CLEANUP_ON_FAILURE", "2", "true or false"),
    ("MAX_ATTEMPTS", "0", "a whole number from 1 to 100"),
    ("ACCEL_PREFIX", "protected", "a path of letters, digits"),
    ("ACCEL_PREFIX", "/a b/", "a path of letters, digits"),
    ("PREFIX", "vnsite", "a path of letters, digits"),
    ("PREFIX", "/vnsite/", "a path of letters, digits"),
    ("PREFIX", "/", "a path of letters, digits"),
    ("PREFIX", "/a/../b", "a path of letters, digits"),
    ("PREFIX", "https://h/vnsite", "a path of letters, digits"),
    ("AUTH_HEADER", "Remote-User", "the name of a header that a proxy sets"),
    ("AUTH_HEADER_NEW_USERS", "maybe", "refuse or create"),
    ("AUTH_LOGOUT_URL", "/logout", "an address, https://HOST/PATH"),
    ("AUTH_LOGOUT_URL", "https://h; script-src *", "an address, https://HOST/PATH"),
    ("USER_RUNNING", "-1", "a whole number from 0 to 10000"),
    ("USER_WAITING", "many", "a whole number from 0 to 1000000"),
    ("SITE_RUNNING", "1.5", "a whole number from 0 to 10000"),
    ("SITE_PAUSE_SECONDS", "-1", "seconds from 0 to 86400"),
    ("EXTRACTOR_PLUGINS", "../x", "modules of yt_dlp_plugins.extractor or installed packages"),
    ("EXTRACTOR_HELPERS", "127.0.0.1", "host:port, separated by commas"),
    ("EXTRACTOR_HELPERS", "10.0.0.0/8", "host:port, separated by commas"),
    ("USER_STREAMS", "-1", "a whole number from 0 to 100000"),
    ("STREAMS", "100001", "a whole number from 0 to 100000"),
    ("SITE_FAILURES", "-1", "a whole number from 0 to 1000"),
    ("SITE_WAIT_SECONDS", "0", "seconds from 1 to 1800"),
    ("SITE_WAIT_SECONDS", "1801", "seconds from 1 to 1800"),
    ("MAX_BYTES", "0", "a number of bytes from 1"),
    ("MAX_BYTES", "10GB", "a number of bytes from 1"),
    ("MIN_FREE_BYTES", "-1", "a number of bytes from 0"),
    ("USER_QUOTA_BYTES", "10G", "a number of bytes from 0"),
    ("HISTORY_DAYS", "-1", "a number of days from 0 to 36500"),
    ("HISTORY_DAYS", "30d", "a number of days from 0 to 36500"),
    ("LEASE_SECONDS", "4", "seconds from 5 to 3600"),
    ("STALL_SECONDS", "nan", "seconds from 1 to 86400"),
    ("STALL_SECONDS", "inf", "seconds from 1 to 86400"),
    ("CANCEL_GRACE_SECONDS", "61", "seconds from 0 to 60"),
    ("LIBRARY_MODE", "0755", "an octal mode from 0600 to 0666"),
    ("LIBRARY_MODE", "0444", "an octal mode from 0600 to 0666"),
    ("LIBRARY_MODE", "0698", "an octal mode from 0600 to 0666"),
    ("LIBRARY_MODE", "rw-r--r--", "an octal mode from 0600 to 0666"),
    ("EXTRACTORS_UPDATE", "daily", "off, check or auto"),
    ("EXTRACTORS_INDEX", "pypi.org", "the address of a package index, https://HOST/PATH/"),
    ("LIBRARY_NAMES", "{title}", NAMES),
    ("LIBRARY_NAMES", "{site} {uploader} {id}", NAMES),
    ("LIBRARY_NAMES", "{title} {id} {name}", NAMES),
]


@pytest.mark.parametrize(("name", "value", "allowed"), BAD)
def test_a_bad_value_is_told_with_its_name_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(f"VNSITE_{name}", value)

    with pytest.raises(ConfigError) as caught:
        load_config()

    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"VNSITE_{name} is '{value}'. Allowed: {allowed}")


def test_every_bad_value_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VNSITE_CONCURRENCY", "0")
    monkeypatch.setenv("VNSITE_MAX_ATTEMPTS", "0")

    with pytest.raises(ConfigError) as caught:
        load_config()

    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", CANARY),
        ("DATABASE_URL", f"mysql://user:{CANARY}@host/name"),
        ("DATABASE_URL", f"mysql://user:{CANARY}/@host/name"),
    ],
)
def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"VNSITE_{name}", value)

    with pytest.raises(ConfigError, match=f"VNSITE_{name} is ") as caught:
        load_config()

    assert CANARY not in str(caught.value)


# .env


def test_settings_come_from_the_env_file_of_the_data_directory(data_dir: Path) -> None:
    (data_dir / ".env").write_text("VNSITE_CONCURRENCY=7\nOTHER=1\n# VNSITE_MAX_BYTES=5\n")

    assert load_config().concurrency == 7


def test_the_environment_counts_more_than_the_env_file(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_dir / ".env").write_text("VNSITE_CONCURRENCY=7\n")
    monkeypatch.setenv("VNSITE_CONCURRENCY", "8")

    assert load_config().concurrency == 8


def test_an_env_file_of_the_working_directory_is_not_read(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / ".env").write_text("VNSITE_CONCURRENCY=7\n")
    monkeypatch.chdir(elsewhere)

    assert load_config().concurrency == 4


def test_a_bad_value_of_the_env_file_is_told(data_dir: Path) -> None:
    (data_dir / ".env").write_text("VNSITE_CONCURRENCY=many\n")

    with pytest.raises(ConfigError, match="VNSITE_CONCURRENCY is 'many'"):
        load_config()


def test_an_env_file_that_is_no_text_is_told(data_dir: Path) -> None:
    (data_dir / ".env").write_bytes(b"VNSITE_ADMIN_USER=\xff\xfe\n")

    with pytest.raises(ConfigError, match=r"\.env cannot be read"):
        load_config()


# Files with secrets


def test_a_password_is_read_from_its_file(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data_dir / "password").write_text(f"{CANARY}\n")
    monkeypatch.setenv("VNSITE_ADMIN_PASSWORD_FILE", str(data_dir / "password"))
    monkeypatch.setenv("VNSITE_ADMIN_PASSWORD", "other")

    assert load_config().read_admin_password() == CANARY


def test_no_password_is_fine() -> None:
    assert load_config().read_admin_password() == ""


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("ADMIN_PASSWORD_FILE", Config.read_admin_password),
        ("SECRET_KEY_FILE", Config.read_secret_key),
    ],
)
def test_a_file_without_a_secret_is_told(
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    read: Callable[[Config], str],
    content: bytes | None,
) -> None:
    path = data_dir / "file"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(f"VNSITE_{name}", str(path))

    with pytest.raises(ConfigError, match=f"VNSITE_{name}: {path} (cannot be read|is empty)"):
        read(load_config())


def test_a_key_file_must_hold_a_long_key(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data_dir / "key").write_text(CANARY)
    monkeypatch.setenv("VNSITE_SECRET_KEY_FILE", str(data_dir / "key"))

    with pytest.raises(ConfigError, match="at least 32 characters") as caught:
        load_config().read_secret_key()

    assert CANARY not in str(caught.value)


# The secret key


def test_a_given_key_is_used_and_none_is_made(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VNSITE_SECRET_KEY", LONG_KEY)

    assert load_config().read_secret_key() == LONG_KEY
    assert list(data_dir.iterdir()) == []


def test_a_key_is_made_once_for_this_user_only(data_dir: Path) -> None:
    first = load_config().read_secret_key()

    assert load_config().read_secret_key() == first
    assert len(first) >= 50
    assert [path.name for path in data_dir.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((data_dir / "secret_key").stat().st_mode) == 0o600


def test_processes_that_start_at_once_agree_on_the_key(data_dir: Path) -> None:
    code = (
        "import sys; from vnsite.config import load_config; sys.stdin.read();"
        "print(load_config().read_secret_key())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    keys = set()
    for process in processes:
        with process:
            assert process.stdout is not None
            keys.add(process.stdout.read().strip())

    assert len(keys) == 1
    assert keys == {(data_dir / "secret_key").read_text()}
    assert [path.name for path in data_dir.iterdir()] == ["secret_key"]


def test_a_draft_that_a_crash_left_is_no_obstacle(data_dir: Path) -> None:
    (data_dir / f"secret_key.{os.getpid()}").write_text("half")

    assert len(load_config().read_secret_key()) >= 50


# manage.py


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"VNSITE_CONCURRENCY": "0"}, "VNSITE_CONCURRENCY is '0'"),
        ({"VNSITE_SECRET_KEY": CANARY}, "VNSITE_SECRET_KEY is …"),
        ({"VNSITE_SECRET_KEY_FILE": "/nonexistent"}, "VNSITE_SECRET_KEY_FILE: /nonexistent"),
        ({"VNSITE_DATA_DIR": "/dev/null/x"}, "/dev/null"),
    ],
)
def test_a_wrong_setting_stops_every_command_with_one_line(
    data_dir: Path, values: dict[str, str], said: str
) -> None:
    done = manage("check", **{"VNSITE_DATA_DIR": str(data_dir), **values})

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert said in done.stderr
    assert CANARY not in done.stderr + done.stdout


def test_good_settings_do_not(data_dir: Path) -> None:
    done = manage("check", VNSITE_DATA_DIR=str(data_dir), VNSITE_CONCURRENCY="2")

    assert done.returncode == 0, done.stderr
