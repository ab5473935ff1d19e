"""A process that claims all that it can get, for tests: `python -m tests.helpers.claimer`.

It says `ready`, waits for a line, and writes the primary key and the attempt of each claim.
"""

import os
import sys

import django

if __name__ == "__main__":
    django.setup()

    from django.utils import timezone

    from downloads.models import Worker
    from tests.helpers import lives

    now = timezone.now()
    worker = Worker.objects.create(
        name=f"claimer-{os.getpid()}",
        host="here",
        pid=os.getpid(),
        slots=1,
        started_at=now,
        heartbeat_at=now,
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    while download := lives.claim_next(worker):
        sys.stdout.write(f"{download.pk} {download.attempt}\n")
