"""The project's settings over a data directory that lives as long as the test run."""

import atexit
import os
import shutil
import tempfile

os.environ["VNSITE_DATA_DIR"] = tempfile.mkdtemp(prefix="vnsite-tests-")
atexit.register(shutil.rmtree, os.environ["VNSITE_DATA_DIR"], ignore_errors=True)

from vnsite.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = [  # the second for users who sign in to a `serve`, which knows no MD5
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
if "sqlite3" in DATABASES["default"]["ENGINE"]:  # noqa: F405
    # A file: an in-memory database has no WAL, and other processes do not see it.
    DATABASES["default"]["TEST"] = {  # noqa: F405
        "NAME": os.path.join(os.environ["VNSITE_DATA_DIR"], "tests.sqlite3")  # noqa: PTH118
    }
