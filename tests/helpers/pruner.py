"""A process that prunes all histories, for tests: `python -m tests.helpers.pruner DAYS`.

Its now is DAYS and an hour later than it is. Says `ready`, waits for a line, and says `pruned`
after each step, in which it prunes one download.
"""

import sys
from datetime import timedelta

import django

if __name__ == "__main__":
    django.setup()

    from django.utils import timezone

    from downloads.worker.retention import Retention

    days = int(sys.argv[1])
    retention = Retention(days=days, should_stop=lambda: True, batch=1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    while True:
        retention.prune(timezone.now() + timedelta(days=days, hours=1))
        sys.stdout.write("pruned\n")
        sys.stdout.flush()
