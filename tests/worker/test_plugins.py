"""Extractor plugins that cannot be loaded, as who starts a worker sees it."""

import pytest

from tests.helpers.worker import WorkerProcess

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")


def test_a_worker_does_not_start_without_a_plugin_that_is_named() -> None:
    worker = WorkerProcess("--once", VNSITE_EXTRACTOR_PLUGINS="not-installed")
    code = worker.wait()
    said = worker.said().decode()
    worker.close()

    assert code == 1
    assert "not-installed: no package of this name is installed. Run manage.py doctor." in said
    assert "Traceback" not in said
