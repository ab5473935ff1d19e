"""The settings of vnsite, from the environment or from `.env` in the data directory.

Knows their names, types, ranges and defaults; imports nothing of Django.
"""

import os
import re
import secrets
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from downloads.rules import path_template
from downloads.rules.manners import MAX_PAUSE_SECONDS
from downloads.sandbox.addresses import AllowedHosts

PREFIX = "VNSITE_"
MIN_KEY_LENGTH = 32
PACKAGE_NAME = re.compile(r"[A-Za-z0-9_]([\w.-]*[A-Za-z0-9_])?")
HEADER_NAME = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
# They say something else, so a proxy that sets one does not mean a user's name.
NEEDED_HEADERS = re.compile(
    r"host|cookie|origin|referer|range|date|connection|upgrade|te|trailer|authorization|user-agent"
    r"|(accept|content|if|sec|transfer|proxy)(-.*)?|x-forwarded-(for|proto|host|port)"
    r"|x-csrftoken|x-requested-with|hx-.*|last-event-id|idempotency-key",
    re.IGNORECASE,
)
USER_INFO = re.compile(r"//.*@")  # a URL's user and password, which are not shown


class ConfigError(Exception):
    """A setting has a wrong value. The message names the setting, the value and what is allowed."""


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _octal(value: object) -> object:
    return int(value, 8) if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Config(BaseSettings):
    """All settings. Each description completes the error message "Allowed: …"."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    data_dir: Path = Field(Path("var"), description="a directory")
    media_dir: Path | None = Field(None, description="a directory")
    temp_dir: Path | None = Field(None, description="a directory")
    database_url: str = Field(
        "",
        pattern=r"^(|sqlite:///[^?#]+|postgres(ql)?://.+)$",
        description="sqlite:///PATH or postgres://USER:PASSWORD@HOST/NAME, "
        "with %23 for #, %3F for ? and %25 for % in PATH",
    )
    secret_key: str = Field("", description="at least 32 characters")
    secret_key_file: Path | None = Field(None, description="a file with the secret key")
    allowed_hosts: CommaSeparated = Field(
        ("localhost", "127.0.0.1", "[::1]"), description="host names, separated by commas"
    )
    https: bool = Field(False, description="true or false")
    trusted_proxies: CommaSeparated = Field(
        (), description="addresses or networks, separated by commas"
    )
    prefix: str = Field(
        "",
        pattern=r"^(|(/[A-Za-z0-9_-]+)+)$",
        description="a path of letters, digits, - and _ that begins with / and does not end with"
        " it, /vnsite",
    )
    auth_header: str = Field(
        "",
        description="the name of a header that a proxy sets and vnsite does not need, Remote-User;"
        f" it needs {PREFIX}TRUSTED_PROXIES",
    )
    auth_header_new_users: Literal["refuse", "create"] = Field(
        "refuse", description="refuse or create"
    )
    auth_logout_url: str = Field(
        "",
        pattern=r"^(|https?://[^\s/;,]+(/[^\s;,]*)?)$",
        description="an address, https://HOST/PATH",
    )
    accel_prefix: str = Field(
        "",
        pattern=r"^(|/([A-Za-z0-9_-]+/)+)$",
        description="a path of letters, digits, - and _ that begins and ends with /",
    )
    admin_user: str = Field("", description="a user name")
    admin_password: str = Field("", description="a password")
    admin_password_file: Path | None = Field(None, description="a file with a password")
    concurrency: int = Field(4, ge=1, le=64, description="a whole number from 1 to 64")
    allow_private_hosts: CommaSeparated = Field(
        (), description="host, host:port or network, separated by commas"
    )
    extractor_plugins: CommaSeparated = Field(
        (),
        description="modules of yt_dlp_plugins.extractor or installed packages, separated by"
        " commas",
    )
    extractor_helpers: CommaSeparated = Field((), description="host:port, separated by commas")
    cleanup_on_success: bool = Field(True, description="true or false")
    cleanup_on_failure: bool = Field(True, description="true or false")
    max_attempts: int = Field(3, ge=1, le=100, description="a whole number from 1 to 100")
    site_failures: int = Field(5, ge=0, le=1000, description="a whole number from 0 to 1000")
    site_wait_seconds: float = Field(60, ge=1, le=1800, description="seconds from 1 to 1800")
    user_running: int = Field(0, ge=0, le=10_000, description="a whole number from 0 to 10000")
    user_waiting: int = Field(
        10_000, ge=0, le=1_000_000, description="a whole number from 0 to 1000000"
    )
    user_quota_bytes: int = Field(0, ge=0, description="a number of bytes from 0")
    max_entries: int = Field(10_000, ge=2, le=10_000, description="a whole number from 2 to 10000")
    fragments_at_once: int = Field(6, ge=1, le=32, description="a whole number from 1 to 32")
    site_running: int = Field(0, ge=0, le=10_000, description="a whole number from 0 to 10000")
    site_pause_seconds: float = Field(
        0, ge=0, le=MAX_PAUSE_SECONDS, description="seconds from 0 to 86400"
    )
    user_streams: int = Field(20, ge=0, le=100_000, description="a whole number from 0 to 100000")
    streams: int = Field(1000, ge=0, le=100_000, description="a whole number from 0 to 100000")
    max_bytes: int = Field(10 * 2**30, ge=1, description="a number of bytes from 1")
    min_free_bytes: int = Field(2**30, ge=0, description="a number of bytes from 0")
    history_days: int = Field(0, ge=0, le=36_500, description="a number of days from 0 to 36500")
    lease_seconds: int = Field(60, ge=5, le=3600, description="seconds from 5 to 3600")
    max_seconds: float = Field(6 * 3600, ge=1, description="a number of seconds from 1")
    min_bytes_per_second: int = Field(1024, ge=0, description="a number of bytes from 0")
    stall_seconds: float = Field(60, ge=1, le=86400, description="seconds from 1 to 86400")
    cancel_grace_seconds: float = Field(2, ge=0, le=60, description="seconds from 0 to 60")
    library_mode: Annotated[int, BeforeValidator(_octal)] = Field(
        0o644, description="an octal mode from 0600 to 0666, in which the owner may read and write"
    )
    library_names: str = Field(
        path_template.DEFAULT,
        description="a name of {title}, {site} or {uploader}, {date}, {year} and always {id},"
        " in folders or not",
    )
    extractors_update: Literal["off", "check", "auto"] = Field(
        "check", description="off, check or auto"
    )
    extractors_channel: Literal["stable", "nightly"] = Field(
        "stable", description="stable or nightly"
    )
    extractors_index: str = Field(
        "https://pypi.org/simple/",
        pattern=r"^https?://[^\s/]+",
        description="the address of a package index, https://HOST/PATH/",
    )
    log_format: Literal["console", "json"] = Field("console", description="console or json")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )

    @field_validator("data_dir", "media_dir", "temp_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value and Path(os.path.abspath(value))  # noqa: PTH100 — resolve() follows links

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        if value and len(value) < MIN_KEY_LENGTH:
            raise ValueError("too short")
        return value

    @field_validator("allow_private_hosts")
    @classmethod
    def _parses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        AllowedHosts.parse(value)
        return value

    @field_validator("extractor_plugins")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(PACKAGE_NAME.fullmatch(name) for name in value):
            raise ValueError("not the name of a module or package")
        return value

    @field_validator("extractor_helpers")
    @classmethod
    def _have_ports(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            parsed = AllowedHosts.parse([entry])
            if parsed.networks or not all(port for _, port in parsed.endpoints | parsed.names):
                raise ValueError(f"{entry!r} is not host:port")
        return value

    @field_validator("library_mode")
    @classmethod
    def _is_of_files(cls, value: int) -> int:
        if value & ~0o666 or value & 0o600 != 0o600:
            raise ValueError("not a mode of files that their owner can read and write")
        return value

    @field_validator("library_names")
    @classmethod
    def _is_template(cls, value: str) -> str:
        path_template.split(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            ip_network(entry, strict=False)
        return value

    @field_validator("auth_header")
    @classmethod
    def _is_spare(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            return value
        if not HEADER_NAME.fullmatch(value) or NEEDED_HEADERS.fullmatch(value):
            raise ValueError("not a header for a user's name")
        if not info.data.get("trusted_proxies"):
            raise ValueError("nobody may set it")
        return value

    @property
    def media_root(self) -> Path:
        """The library."""
        return self.media_dir or self.data_dir / "media"

    @property
    def temp_root(self) -> Path:
        """The folder of the isolated directories."""
        return self.temp_dir or self.data_dir / "tmp"

    @property
    def memory_root(self) -> Path:
        """The folder of what yt-dlp learned of sites."""
        return self.data_dir / "cache" / "extractors"

    @property
    def extractors_root(self) -> Path:
        """The folder of the sets of extractors."""
        return self.data_dir / "extractors"

    @property
    def database(self) -> str:
        """The URL of the database."""
        return self.database_url or f"sqlite:///{quote(str(self.data_dir / 'vnsite.sqlite3'))}"

    def read_secret_key(self) -> str:
        """Return the secret key; the first start makes it, readable by this user only.

        Two processes that start at once get the same one. Raises ConfigError.
        """
        if self.secret_key:
            return self.secret_key
        path = self.secret_key_file or self.data_dir / "secret_key"
        if not path.exists() and not self.secret_key_file:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            _create_once(path, secrets.token_urlsafe(50))
        key = _read_line(path, "SECRET_KEY_FILE")
        if len(key) < MIN_KEY_LENGTH:
            allowed = Config.model_fields["secret_key"].description
            raise ConfigError(f"{PREFIX}SECRET_KEY_FILE: {path} is too short. Allowed: {allowed}.")
        return key

    def read_admin_password(self) -> str:
        """Return the first administrator's password, "" if none is set. Raises ConfigError."""
        if self.admin_password_file:
            return _read_line(self.admin_password_file, "ADMIN_PASSWORD_FILE")
        return self.admin_password


def _create_once(path: Path, content: str) -> None:
    """Make `path` with `content`, mode 0600, whole or not at all; an existing file is kept."""
    with NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.") as draft:
        draft.write(content)
        draft.flush()
        os.fsync(draft.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft.name)


def _read_line(path: Path, name: str) -> str:
    try:
        content = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{PREFIX}{name}: {path} cannot be read ({_reason(error)}).") from error
    if not content:
        raise ConfigError(f"{PREFIX}{name}: {path} is empty.")
    return content


def load_config() -> Config:
    """Read the settings. Raises ConfigError, with one line per wrong value."""
    env_file = Path(os.environ.get(f"{PREFIX}DATA_DIR") or "var") / ".env"
    try:
        return Config(_env_file=env_file)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(error))) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{env_file} cannot be read ({_reason(error)}).") from error


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "it is not text"


def _describe(error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors():
        field = str(item["loc"][0])
        allowed = Config.model_fields[field].description
        value = "…" if "secret" in field or "password" in field else repr(item["input"])
        value = USER_INFO.sub("//…@", value)
        lines.append(f"{PREFIX}{field.upper()} is {value}. Allowed: {allowed}.")
    return lines
