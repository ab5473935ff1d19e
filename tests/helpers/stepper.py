"""A process that makes one step of subscriptions, and is killed on the way: for tests.

`python -m tests.helpers.stepper N` is killed before its Nth statement; with fewer it ends with 0.
"""

import os
import signal
import sys
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

    from django.db import connection

    from downloads.subscriptions import checks

    left = int(sys.argv[1])

    def counted(execute: Any, *arguments: Any) -> Any:
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*arguments)

    with connection.execute_wrapper(counted):
        checks.step()
