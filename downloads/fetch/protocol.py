"""The messages between worker and child: JSON lines over one socket an attempt.

The child sends; the worker says "go" with what it lends, and later perhaps "keep". Both ends are on
the same machine and run the same version, so that the format may change freely.
"""

import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Self, get_args

from downloads.rules.states import Phase, Role

GO = b"go\n"
LENGTH = struct.Struct("!I")  # of what is lent, in bytes
KEEP = b"keep\n"  # stop recording a live stream or reading a list, and finish what is there
MAX_WAITING_BYTES = 2**14
TAKE = b"take\n"  # fetch the video: its owner has it not; as long as KEEP


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that a child needs to know. Paths are absolute."""

    url: str
    options: dict[str, str | None]
    directory: str
    max_bytes: int
    stall_seconds: float
    allow_private_hosts: tuple[str, ...]
    max_seconds: float  # of a recording
    min_free_bytes: int  # what a recording leaves free on the disk
    is_last_try: bool
    max_entries: int  # of a list
    fragments_at_once: int  # of a stream
    may_list: bool  # False: its link is within as many lists as there may be
    title: str = ""  # in the list that it was found in; "": in none, or without one
    rate_limit: int | None = None  # bytes per second; None: as fast as it comes
    servers: tuple[str, ...] = ()  # host:port of those that plugins may ask
    memory: str = ""  # the folder of what is known of sites; "": nothing is read
    asks_first: bool = False  # waits for TAKE before it fetches a video that a site has an id for
    wants_preview: bool = False  # a small picture of the video, for its row
    # Whatever its link stands for is a list, also one of a single video, or of none yet.
    lists_all: bool = False
    # Not "": the path of a film in the library. It is put into the container of the options, and
    # nothing is fetched; `beside` are files to copy, each with its path, the name of its copy and
    # what `ManifestFile` says of it.
    film: str = ""
    beside: tuple[dict[str, str], ...] = ()
    is_examination: bool = False  # of the set of extractors; nothing is fetched

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Make a job of its fields, as they are when they have crossed to the child."""
        tuples = {
            name: tuple(values[name]) for name in ("allow_private_hosts", "servers", "beside")
        }
        return cls(**{**values, **tuples})


@dataclass(frozen=True, kw_only=True)
class Lent:
    """What a child is lent for its site. It comes after "go", so that no other process sees it."""

    cookies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by host; see Cookie
    proxy: str = ""  # a URL, which all connections go through; "": none


@dataclass(frozen=True, kw_only=True)
class Renewed:
    """The cookies of one host that was lent some, as the site left them. They are secret."""

    host: str
    cookies: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What yt-dlp stored in its cache, and other children may read; see `rules.site_memory`."""

    section: str
    key: str
    value: Any  # None: what was known is wrong
    version: str  # of yt-dlp


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What the site says of the video, sent once its page is read."""

    title: str
    # As those of a download's row; "" of a list, and when the site has no id for the video.
    extractor: str = ""
    media_id: str = ""
    media: dict[str, Any] = field(default_factory=dict)  # as `media` of the API


@dataclass(frozen=True, kw_only=True)
class Pictured:
    """The small picture of the video, verified. It may be missing, and come at any time."""

    media_type: str
    content: str  # in base64; at most 32 KiB before that


@dataclass(frozen=True, kw_only=True)
class PhaseBegan:
    phase: str


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """The site proved bytes of an earlier attempt to be of the same file; 0: it changed since."""

    received_bytes: int


@dataclass(frozen=True, kw_only=True)
class Advance:
    """The progress of fetching. `total_bytes` None: the site did not say."""

    received_bytes: int
    total_bytes: int | None = None
    speed: float | None = None
    eta_seconds: float | None = None
    fragment: int = 0  # of `fragments`, the one that came last; both 0: it comes in one piece
    fragments: int = 0


@dataclass(frozen=True, kw_only=True)
class Said:
    """A redacted line for the attempt's log. It is not a sign of progress."""

    level: str  # "debug", "info", "warning" or "error"
    text: str


@dataclass(frozen=True, kw_only=True)
class ManifestFile:
    """A finished file of the isolated directory, verified."""

    name: str
    size: int
    sha256: str
    media_type: str
    role: Role = Role.VIDEO
    language: str = ""  # of subtitles


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The last message of a child that succeeded."""

    title: str
    files: list[ManifestFile] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)  # for the history: codes and numbers
    media: dict[str, Any] = field(default_factory=dict)  # of `Metadata`, as it came
    about: dict[str, Any] = field(default_factory=dict)  # see `rules.about`


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The last message of a child that only looked its video up."""

    media: dict[str, Any]  # of `Metadata`, with `bytes` and `formats`; see `rules.found`


@dataclass(frozen=True, kw_only=True)
class ListedEntry:
    """One entry of a list, as its row will be."""

    url: str
    title: str
    extractor: str
    media_id: str
    duration_seconds: float | None
    uploaded_at: float | None  # seconds since 1970
    is_live: bool
    is_list: bool


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The next entries of a list."""

    entries: list[ListedEntry]


@dataclass(frozen=True, kw_only=True)
class ListingEnded:
    """The last message of a child whose link stands for a list: all of it was sent."""

    title: str
    kind: str  # a ListKind
    left_out: int  # entries without a link that can be downloaded
    end: str  # a ListEnd


@dataclass(frozen=True, kw_only=True)
class Broke:
    """The last message of a child that failed."""

    kinds: list[str]
    message: str = ""  # of whoever failed; "" when the worker knows what to say
    http_status: int | None = None
    errno: int | None = None
    retry_after_seconds: float | None = None
    data: dict[str, Any] = field(default_factory=dict)  # codes and numbers, as of a transition

    @property
    def error_data(self) -> dict[str, Any]:
        """The data with the message, for the history and the row."""
        return {"message": self.message, **self.data} if self.message else self.data


Succeeded = Fetched | Checked | ListingEnded
LastMessage = Succeeded | Broke
Message = (
    Metadata
    | Pictured
    | PhaseBegan
    | Resumed
    | Advance
    | Said
    | Listed
    | Renewed
    | Learned
    | LastMessage
)
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Message)}


def encode(message: Message) -> bytes:
    return json.dumps([type(message).__name__, vars(message)], default=vars).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Decode a line into a message. Raises ValueError for anything else."""
    try:
        name, values = json.loads(line)
        if name == Fetched.__name__:
            files = [ManifestFile(**item) for item in values.pop("files")]
            return Fetched(files=files, **values)
        if name == Listed.__name__:
            return Listed(entries=[ListedEntry(**item) for item in values["entries"]])
        message: Message = KINDS[name](**values)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        # Without its end: it may be a cookie.
        raise ValueError(f"not a message: {line[:20]!r}") from error
    return message


def encode_go(lent: Lent) -> bytes:
    """Encode the word to begin, with what is lent behind it."""
    content = json.dumps(asdict(lent)).encode()
    return GO + LENGTH.pack(len(content)) + content


def receive_go(channel: socket.socket) -> Lent | None:
    """Wait for the word to begin; None when the worker is gone."""
    head = channel.recv(len(GO) + LENGTH.size, socket.MSG_WAITALL)
    if len(head) < len(GO) + LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head.removeprefix(GO))
    content = channel.recv(size, socket.MSG_WAITALL)
    return Lent(**json.loads(content)) if len(content) == size else None


class WorkerGone(BaseException):
    """Nobody hears this child any more, and it will soon be killed.

    No `Exception`: that is how a site's failures are told apart, after which a recording is
    finished, or a proof thrown away. What is here belongs to the worker that goes on with it.
    """


@contextmanager
def _to_worker() -> Iterator[None]:
    """Raise WorkerGone when the other end of the socket is closed."""
    try:
        yield
    except ConnectionError as error:
        raise WorkerGone from error


class Wishes:
    """What the worker asks of a child that runs. Its methods raise WorkerGone."""

    def __init__(self, channel: socket.socket) -> None:
        self._is_keep_asked = False
        self._channel = channel

    def is_keep_asked(self, *, within_seconds: float = 0) -> bool:
        """Whether it is asked to stop and keep; waits so long when it was not asked before."""
        waiting = select.poll()
        waiting.register(self._channel, select.POLLIN)
        if not self._is_keep_asked and waiting.poll(within_seconds * 1000):
            self._is_keep_asked = self._hear() == KEEP
        return self._is_keep_asked

    def wait_for_take(self) -> None:
        """Wait for the word that the video is to be fetched."""
        while (said := self._hear()) != TAKE:
            self._is_keep_asked |= said == KEEP

    def _hear(self) -> bytes:
        with _to_worker():
            said = self._channel.recv(len(KEEP))
        if not said:
            raise WorkerGone
        return said


Send = Callable[[Message], None]


class Outbox:
    """Sends messages in their order, from any thread; blocks while the worker does not read.

    What is sent wakes the worker. So the lines of the log that are no warnings wait for the next
    message or for `flush`, and so does the word that fetching begins: progress follows at once.
    Both raise WorkerGone.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._turn = threading.Lock()  # fragments come in threads, and may say something
        self._waiting = b""

    def send(self, message: Message) -> None:
        with self._turn:
            self._waiting += encode(message)
            if not _can_wait(message) or len(self._waiting) > MAX_WAITING_BYTES:
                self._send_waiting()

    def flush(self) -> None:
        """Send what waits. Call it before what may take long, or may not come back."""
        with self._turn:
            if self._waiting:
                self._send_waiting()

    def _send_waiting(self) -> None:
        content, self._waiting = self._waiting, b""
        with _to_worker():
            self._channel.sendall(content)


def _can_wait(message: Message) -> bool:
    if isinstance(message, Said):
        return message.level in ("debug", "info")
    return isinstance(message, PhaseBegan) and message.phase == Phase.FETCHING
