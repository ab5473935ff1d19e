"""Django's settings. `vnsite.config` is the only source of their values."""

import re
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import dj_database_url
import django

from vnsite import as_served
from vnsite.config import load_config

BASE_DIR = Path(__file__).resolve().parent.parent

VNSITE = load_config()

SECRET_KEY = VNSITE.read_secret_key()
DEBUG = False
ALLOWED_HOSTS = list(VNSITE.allowed_hosts)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "downloads",
    "downloads.library",
    "downloads.subscriptions",
]

MIDDLEWARE = [
    "downloads.web.middleware.SaysOnceForHowLong",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "downloads.web.compression.CompressesPages",
    # Before all that may refuse a request: a refusal is read as well.
    "downloads.web.middleware.SpeaksTheReadersLanguage",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "downloads.web.middleware.NamesTheDownload",
    "downloads.web.middleware.DatabaseUnavailable",
    "axes.middleware.AxesMiddleware",
]

if VNSITE.auth_header:
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1,
        "downloads.web.middleware.SignsInByProxy",
    )

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# Wrong passwords count for one account from one address: if they counted for the account alone,
# anybody could lock its owner out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "downloads.web.sign_in.locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# Below a path, addresses begin with it whether or not the proxy strips it: see vnsite.proxies.
FORCE_SCRIPT_NAME = VNSITE.prefix or None
# Another site of the same host gets none of our cookies.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = VNSITE.prefix or "/"
# In the session: the cookie that is Django's default knows no path.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

ROOT_URLCONF = "vnsite.urls"
ASGI_APPLICATION = "vnsite.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "downloads.accounts.preferences.in_templates",
            ],
        },
    },
]

# In the memory of each process: what it found out, and the rows of lists as they were drawn, which
# are some 3 kB each.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "rows": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "rows",
        "OPTIONS": {"MAX_ENTRIES": 1000},
    },
}

# WAL lets pages and the stream read while the worker writes. IMMEDIATE takes the write lock at
# BEGIN: a deferred transaction that reads first and then writes fails at once with "database is
# locked", whatever the timeout. FULL makes a commit survive a power cut.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
        " PRAGMA recursive_triggers=ON"
    ),
}


# A dead machine or a cut network is noticed within 20 to 25 s, before a worker's lease is over;
# libpq's own times are minutes and hours.
POSTGRESQL_OPTIONS: dict[str, Any] = {
    "connect_timeout": 10,
    "tcp_user_timeout": 20_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # A machine that is suspended in a transaction would keep its locks for hours, and one of them
    # is the counter that every move needs.
    "options": "-c idle_in_transaction_session_timeout=10s",
}


# Requests that follow each other share a connection (`vnsite.request_threads`). For no longer: a
# file that somebody put in the place of the database is not noticed before.
CONNECTION_SECONDS = 5


def database_of(url: str) -> dict[str, Any]:
    """Return Django's settings of the database at a URL, whose options win over ours.

    The worker keeps its connections for ever.
    """
    database: dict[str, Any] = dict(dj_database_url.parse(url))
    database["CONN_MAX_AGE"] = CONNECTION_SECONDS
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["OPTIONS"] = SQLITE_OPTIONS
        Path(database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
        return database
    from psycopg import IsolationLevel  # takes 50 ms, which sites with SQLite need not pay

    # READ COMMITTED, whatever the server's default: an UPDATE that waited for another one looks at
    # the row again, as "state and attempt are still those" requires.
    forced = {"isolation_level": IsolationLevel.READ_COMMITTED}
    database["OPTIONS"] = {**POSTGRESQL_OPTIONS, **database.get("OPTIONS", {}), **forced}
    database["CONN_HEALTH_CHECKS"] = True
    return database


DATABASES = {"default": database_of(VNSITE.database)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = VNSITE.auth_logout_url or "login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español")]
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "vnsite.formats"
USE_I18N = True
USE_TZ = True


def fingerprint(folder: Path, *, made_by: bytes = b"") -> str:
    """Return what changes with the content and the names of the files in a folder, with the code
    that they are served by, and with Django's version, which decides the files of its admin."""
    digest = sha256(django.__version__.encode() + made_by)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


# The fingerprint is in the folder's name, not in those of the files: modules and style sheets name
# each other as they lie in the source, and browsers may still keep everything for ever.
# `vnsite.static_files` makes STATIC_ROOT when the site starts; nobody runs collectstatic.
STATIC_VERSION = fingerprint(
    BASE_DIR / "downloads/static", made_by=Path(as_served.__file__).read_bytes()
)
STATIC_URL = f"{VNSITE.prefix}/static/{STATIC_VERSION}/"
STATIC_ROOT = VNSITE.data_dir / "static" / STATIC_VERSION
SERVESTATIC_USE_STATIC_ROOT = True
SERVESTATIC_ALLOW_ALL_ORIGINS = False


def of_static_files(headers: Any, path: str, url: str) -> None:
    """Have browsers keep a file for a year, which servestatic does only for a fingerprint in the
    name, and believe its type."""
    headers["Cache-Control"] = f"max-age={365 * 24 * 3600}, public, immutable"
    headers["X-Content-Type-Options"] = "nosniff"


SERVESTATIC_ADD_HEADERS_FUNCTION = of_static_files

CSRF_FAILURE_VIEW = "downloads.web.errors.csrf_failure"
ORIGIN = re.compile(r"^https?://[^/]+")
# Nothing that a title or an error smuggles into a page can run, load or send.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "media-src": ["'self'"],
        "manifest-src": ["'self'"],
        "connect-src": ["'self'"],
        # Signing out may lead elsewhere, and browsers judge where a form's redirect leads.
        "form-action": ["'self'", *ORIGIN.findall(VNSITE.auth_logout_url)],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
# With VNSITE_HTTPS a proxy in front speaks https with the browsers; http is redirected.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = VNSITE.https
SECURE_REDIRECT_EXEMPT = [
    f"^{VNSITE.prefix[1:]}/?{name}$" for name in ("healthz", "readyz")
]  # machines ask these, past the proxy
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if VNSITE.https else 0
# They ask for HSTS of subdomains and for preloading; this site does not decide for other hosts. And
# for X-Frame-Options, which browsers ignore beside the policy's `frame-ancestors`.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021", "security.W002"]
# A batch of 1,000 links of 2,048 characters, and what surrounds it.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 2**20
# What is uploaded may be cookies: it is not written to a file, however large.
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE

# Libraries log only what is wrong. There is no log of requests: a proxy has one.
LEVEL_OF_OTHERS = "ERROR" if VNSITE.log_level == "error" else "WARNING"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "downloads.logs.LogFormatter", "as_json": VNSITE.log_format == "json"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LEVEL_OF_OTHERS},
    "loggers": {
        "django": {"level": LEVEL_OF_OTHERS},  # Django's own configuration sets INFO
        "downloads": {"level": VNSITE.log_level.upper()},
        "django.request": {"level": "ERROR"},
        # It would be a traceback for each request: web.refused_host says it in a line.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
