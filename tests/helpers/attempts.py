"""Running the child of one attempt, for tests: what it said, how it ended, what it left."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from downloads.disk.isolation import PREFIX
from downloads.fetch.client import Child, ForkServer
from downloads.fetch.protocol import (
    Broke,
    Fetched,
    Job,
    Lent,
    Listed,
    ListedEntry,
    ListingEnded,
    Message,
)
from downloads.rules.classify import ErrorFacts, classify
from downloads.rules.errors import ErrorClass
from downloads.rules.options import OPTIONS, DownloadOptions

DEADLINE_SECONDS = 60.0
STALL_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An attempt whose child ended by itself, or was ended when it had said its last word."""

    directory: Path
    messages: list[Message]
    how: str

    @property
    def last(self) -> Message | None:
        return self.messages[-1] if self.messages else None

    @property
    def fetched(self) -> Fetched:
        assert isinstance(self.last, Fetched), self.last
        return self.last

    @property
    def listing(self) -> ListingEnded:
        assert isinstance(self.last, ListingEnded), self.last
        return self.last

    @property
    def entries(self) -> list[ListedEntry]:
        """The entries of the list that it read."""
        batches = [message for message in self.messages if isinstance(message, Listed)]
        return [entry for batch in batches for entry in batch.entries]

    @property
    def broke(self) -> Broke:
        assert isinstance(self.last, Broke), self.last
        return self.last

    @property
    def error_class(self) -> ErrorClass:
        return classify(facts(self.broke))

    @property
    def file(self) -> Path:
        """The one file that was fetched."""
        (only,) = self.fetched.files
        return self.directory / only.name


def facts(broke: Broke) -> ErrorFacts:
    return ErrorFacts(
        kinds=tuple(broke.kinds),
        message=broke.message,
        http_status=broke.http_status,
        errno=broke.errno,
    )


def job_for(url: str, directory: Path, **values: object) -> Job:
    """A job with everything as usual but `values`, which may be options as well."""
    chosen = {name: values.pop(name) for name in OPTIONS if name in values}
    job = Job(
        url=url,
        options=DownloadOptions().with_overrides(**chosen).as_dict(),
        directory=str(directory),
        max_bytes=10**9,
        stall_seconds=STALL_SECONDS,
        allow_private_hosts=(),
        max_seconds=3600,
        min_free_bytes=0,
        is_last_try=False,
        max_entries=10_000,
        fragments_at_once=6,
        may_list=True,
    )
    return replace(job, **values)  # type: ignore[arg-type]


def new_fork_server() -> ForkServer:
    """One that is not started: of the set in VNSITE_TEST_EXTRACTORS, or the installed one."""
    folder = os.environ.get("VNSITE_TEST_EXTRACTORS")
    return ForkServer(Path(folder) if folder else None)


def make_directory(root: Path) -> Path:
    """An isolated directory, named as one; `root` is a test's own, so that the name is unique."""
    directory = root / f"{PREFIX}abc_{os.urandom(4).hex()}"
    directory.mkdir(mode=0o700, parents=True)
    return directory


def messages_until(
    child: Child,
    is_enough: Callable[[list[Message]], bool] = lambda messages: False,
    *,
    seconds: float = DEADLINE_SECONDS,
) -> list[Message]:
    """What the child says until it is enough, or to its end. AssertionError after the deadline."""
    said: list[Message] = []
    deadline = time.monotonic() + seconds
    never, unused = os.pipe()
    try:
        while not is_enough(said):
            assert time.monotonic() < deadline, f"the child did not end; it said {said}"
            heard = child.receive(timeout_seconds=0.5, wake=never)
            if heard is None:
                break
            said += heard
    finally:
        os.close(never)
        os.close(unused)
    return said


@contextmanager
def running(fork_server: ForkServer, job: Job) -> Iterator[Child]:
    """A child that has begun; nothing of it is left afterwards."""
    child = fork_server.fork(job)
    try:
        child.go()
        yield child
    finally:
        child.end(grace_seconds=0)


def attempt(fork_server: ForkServer, job: Job, lent: Lent | None = None) -> Ended:
    """Carry out a job to its end."""
    child = fork_server.fork(job)
    try:
        child.go(lent)
        messages = messages_until(child)
    finally:
        how = child.end(grace_seconds=1)
    return Ended(directory=Path(job.directory), messages=messages, how=how)
