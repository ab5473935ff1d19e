"""The project's settings over a data directory that lives as long as the test run.

With VNSITE_TEST_DATABASE=postgresql the tests run on a PostgreSQL server that lives as long.
"""

import atexit
import os
import shutil
import tempfile

from tests.helpers.postgresql import Cluster

os.umask(0o077)  # what tests make is nobody else's, so that no start has to close it
os.environ["VNSITE_DATA_DIR"] = tempfile.mkdtemp(prefix="vnsite-tests-")
os.environ["VNSITE_EXTRACTORS_UPDATE"] = "off"  # no worker of a test asks the public index
atexit.register(shutil.rmtree, os.environ["VNSITE_DATA_DIR"], ignore_errors=True)

from vnsite.settings import *  # noqa: E402, F403
from vnsite.settings import database_of  # noqa: E402

# No test asks Django's client for a static file, so nobody waits until they are collected.
SERVESTATIC_USE_STATIC_ROOT = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if os.environ.get("VNSITE_TEST_DATABASE") == "postgresql":
    CLUSTER = Cluster()
    atexit.register(CLUSTER.close)
    CLUSTER.start()
    DATABASES = {"default": database_of(CLUSTER.url)}
    DATABASES["default"]["TEST"] = {"NAME": "tests"}
    # Each test is one transaction, and a busy machine may not look at it for as long.
    DATABASES["default"]["OPTIONS"]["options"] = "-c idle_in_transaction_session_timeout=120s"
else:
    # A file: an in-memory database has no WAL, and other processes do not see it.
    DATABASES["default"]["TEST"] = {
        "NAME": os.path.join(os.environ["VNSITE_DATA_DIR"], "tests.sqlite3")  # noqa: PTH118
    }
