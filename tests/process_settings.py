"""The settings of the processes that tests start: the site's own, and quick to sign in."""

import os

from vnsite.settings import *  # noqa: F403
from vnsite.settings import DATABASES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SERVESTATIC_USE_BROTLI = False  # takes seconds

# How long a statement waits for SQLite's lock, for tests that keep it for longer than that.
if seconds := os.environ.get("VNSITE_TEST_LOCK_SECONDS"):
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"]["OPTIONS"],
        "timeout": float(seconds),
    }
