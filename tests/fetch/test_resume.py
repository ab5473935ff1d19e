"""What one attempt fetched and the next one goes on with: real children, a site that may cheat.

Each test kills a child in the middle of a file, keeps what is proven as the worker does, and runs
another child in a directory of its own.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from yt_dlp.networking import Request as YtdlpRequest

from downloads.disk import isolation, partial
from downloads.disk.isolation import directory_name
from downloads.disk.partial import CARRIED, LEAST_BYTES, PROOF, Proof
from downloads.fetch.client import ForkServer
from downloads.fetch.protocol import Advance, Job, Resumed
from downloads.fetch.resume import OVERLAP_BYTES, Resume
from tests.helpers.attempts import Ended, attempt, job_for, running
from tests.helpers.films import BOXES, LONG_AGO, Film, changed_in_front, other
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import ScriptedSite
from tests.helpers.waiting import wait_for

PATH = "/film.mp4"


@pytest.fixture
def body(media_server: MediaServer) -> bytes:
    return BOXES + media_server.file("big.mp4").read_bytes()


class Try:
    """Attempts at one film, one after the other, each in a directory of its own."""

    def __init__(self, fork_server: ForkServer, site: ScriptedSite, root: Path, film: Film) -> None:
        self.fork_server = fork_server
        self.root = root
        self.film = film
        self.url = site.serve(PATH, film)
        self.origin = site.origin
        self.carried = ""
        self.kept = 0

    def begin(self) -> Path:
        directory = self.root / directory_name("abc")
        directory.mkdir(mode=0o700)
        if self.carried:
            partial.bring(self.root, self.carried, directory)
        self.film.sent.clear()
        return directory

    def job(self, directory: Path, **values: object) -> Job:
        return job_for(self.url, directory, allow_private_hosts=(self.origin,), **values)

    def kill(self, least: int = LEAST_BYTES) -> Path:
        """Fetch at least so many more bytes and be killed; the directory as it is left.

        The site holds back after three times as many: yt-dlp reads in blocks, each at most twice
        as long as the one before, and writes whole ones.
        """
        directory = self.begin()
        self.film.hold_after = 3 * least
        with running(self.fork_server, self.job(directory)):
            wait_for(lambda: written(directory) >= self.kept + least, what="more bytes")
        self.film.hold_after = None
        return directory

    def keep(self, directory: Path) -> int:
        self.carried = directory.name
        self.kept = partial.keep(self.root, directory.name)
        return self.kept

    def finish(self, **values: object) -> Ended:
        return attempt(self.fork_server, self.job(self.begin(), **values))

    def refetched(self) -> int:
        return self.film.sent_bytes()


def written(directory: Path) -> int:
    part = directory / "media.mp4.part"
    return part.stat().st_size if part.exists() else 0


Begin = Callable[[Film], Try]


@pytest.fixture
def trying(fork_server: ForkServer, scripted_site: ScriptedSite, tmp_path: Path) -> Begin:
    return lambda film: Try(fork_server, scripted_site, tmp_path, film)


def totals(ended: Ended) -> set[int | None]:
    return {item.total_bytes for item in ended.messages if isinstance(item, Advance)}


def resumed(ended: Ended) -> list[int]:
    return [item.received_bytes for item in ended.messages if isinstance(item, Resumed)]


@pytest.mark.parametrize("knows_if_range", [True, False])
@pytest.mark.parametrize(
    ("etag", "last_modified"),
    [('"1"', ""), ('"1"', LONG_AGO), ("", LONG_AGO), ('W/"1"', LONG_AGO)],
    ids=["etag", "both", "date", "weak etag and date"],
)
def test_the_same_file_goes_on_where_it_was_left(
    trying: Begin, body: bytes, etag: str, last_modified: str, knows_if_range: bool
) -> None:
    tries = trying(Film(body, etag, last_modified, knows_if_range=knows_if_range))
    kept = tries.keep(tries.kill())

    ended = tries.finish()

    assert ended.file.read_bytes() == body
    assert LEAST_BYTES <= kept <= 3 * LEAST_BYTES
    assert resumed(ended) == [kept]
    assert tries.refetched() == len(body) - kept + OVERLAP_BYTES


@pytest.mark.parametrize(
    ("etag", "last_modified", "why"),
    [
        ("", "", "nothing names the version"),
        ('W/"1"', "", "a weak ETag says only that it looks the same"),
        ("", "yesterday", "no date"),
    ],
)
def test_what_could_never_be_proven_is_not_kept(
    trying: Begin, body: bytes, etag: str, last_modified: str, why: str
) -> None:
    tries = trying(Film(body, etag, last_modified))

    directory = tries.kill()

    assert tries.keep(directory) == 0, why
    assert not directory.exists()


def test_a_date_of_this_second_proves_nothing(trying: Begin, body: bytes) -> None:
    """What changes twice within a second has one date for two bodies."""
    tries = trying(Film(body, last_modified="Fri, 01 Jan 2100 00:00:00 GMT"))

    assert tries.keep(tries.kill()) == 0


@pytest.mark.parametrize("knows_if_range", [True, False])
@pytest.mark.parametrize(
    ("etag", "last_modified", "changes"),
    [
        ('"1"', "", {"etag": '"2"'}),
        ('"1"', "", {"etag": 'W/"1"'}),
        ('"1"', "", {"etag": ""}),
        ("", LONG_AGO, {"last_modified": "Thu, 02 Jan 2020 00:00:00 GMT"}),
        ("", LONG_AGO, {"last_modified": ""}),
    ],
    ids=["other etag", "weak etag", "no etag", "other date", "no date"],
)
def test_a_file_that_changed_is_fetched_whole(
    trying: Begin,
    body: bytes,
    etag: str,
    last_modified: str,
    changes: dict[str, str],
    knows_if_range: bool,
) -> None:
    film = Film(body, etag, last_modified, knows_if_range=knows_if_range)
    tries = trying(film)
    assert tries.keep(tries.kill())
    film.body = changed_in_front(body)
    vars(film).update(changes)

    ended = tries.finish()

    assert ended.file.read_bytes() == film.body
    assert resumed(ended) == []


@pytest.mark.parametrize("validators", [{"etag": '"1"'}, {"last_modified": LONG_AGO}])
def test_an_overlap_that_differs_is_no_proof(
    trying: Begin, body: bytes, validators: dict[str, str]
) -> None:
    """A site may say the same of two versions; the bytes do not."""
    film = Film(body, **validators)  # type: ignore[arg-type]
    tries = trying(film)
    assert tries.keep(tries.kill())
    film.body = other(body)

    ended = tries.finish()

    assert ended.file.read_bytes() == film.body
    assert resumed(ended) == []


@pytest.mark.parametrize("change", [1, -1, -100, -2_000_000, 2_000_000])
def test_another_length_is_another_file(trying: Begin, body: bytes, change: int) -> None:
    """Below what is kept yt-dlp would take a length that is nearly right for the whole file."""
    film = Film(body, etag='"1"', knows_if_range=False)
    tries = trying(film)
    assert tries.keep(tries.kill())
    film.body = body[:change] if change < 0 else body + b"x" * change

    ended = tries.finish()

    assert ended.file.read_bytes() == film.body
    assert resumed(ended) == []


@pytest.mark.parametrize("missing", [0, 50, 100_000])
def test_a_file_that_is_shorter_than_what_is_here_is_fetched_whole(
    trying: Begin, body: bytes, missing: int
) -> None:
    film = Film(body, etag='"1"', knows_if_range=False)
    tries = trying(film)
    kept = tries.keep(tries.kill())
    film.body = other(body)[: kept - missing]

    ended = tries.finish()

    assert ended.file.read_bytes() == film.body
    assert resumed(ended) == []
    assert totals(ended) == {len(film.body)}


def test_a_site_that_ignores_ranges_sends_the_whole(trying: Begin, body: bytes) -> None:
    film = Film(body, etag='"1"', knows_range=False)
    tries = trying(film)
    assert tries.keep(tries.kill())

    ended = tries.finish()

    assert ended.file.read_bytes() == body
    assert resumed(ended) == []
    assert tries.refetched() == len(body)


def test_a_third_attempt_goes_on_where_the_second_was_left(trying: Begin, body: bytes) -> None:
    tries = trying(Film(body, etag='"1"'))
    first = tries.keep(tries.kill())
    second = tries.keep(tries.kill(LEAST_BYTES // 4))

    ended = tries.finish()

    assert ended.file.read_bytes() == body
    assert second > first
    assert resumed(ended) == [second]


def test_an_attempt_that_does_not_get_to_fetching_loses_nothing(trying: Begin, body: bytes) -> None:
    tries = trying(Film(body, etag='"1"'))
    kept = tries.keep(tries.kill())

    tries.carried = tries.begin().name

    assert partial.keep(tries.root, tries.carried) == kept
    assert resumed(tries.finish()) == [kept]


def test_a_whole_file_that_was_not_published_yet_is_not_fetched_again(
    trying: Begin, body: bytes
) -> None:
    tries = trying(Film(body, etag='"1"'))
    directory = tries.finish().directory
    assert tries.keep(directory) == len(body)

    ended = tries.finish()

    assert ended.file.read_bytes() == body
    assert resumed(ended) == [len(body) - 1]
    assert tries.refetched() == OVERLAP_BYTES + 1


def test_killed_when_the_changed_file_has_just_begun_nothing_is_mixed(
    trying: Begin, body: bytes
) -> None:
    """The old bytes are gone before the new version's proof is there."""
    film = Film(body, etag='"1"')
    tries = trying(film)
    assert tries.keep(tries.kill())
    film.body, film.etag, film.hold_after = changed_in_front(body), '"2"', 0
    directory = tries.begin()
    with running(tries.fork_server, tries.job(directory)):
        wait_for(lambda: etag_in(directory) == '"2"', what="the proof of the new version")

    assert tries.keep(directory) == 0
    assert written(directory) == 0


def etag_in(directory: Path) -> str:
    proof = Proof.read(directory)
    return proof.etag if proof else ""


@pytest.mark.parametrize(
    "info",
    [
        {"protocol": "m3u8_native"},
        {"protocol": "http_dash_segments"},
        {"requested_formats": [{"format_id": "1"}, {"format_id": "2"}]},
        {"downloader_options": {"http_chunk_size": 10_000_000}},
        {"http_headers": {"Range": "bytes=0-99"}},
        {"request_data": b"form"},
    ],
    ids=lambda info: next(iter(info)),
)
def test_only_one_body_that_is_asked_for_at_once_is_followed(
    tmp_path: Path, info: dict[str, object]
) -> None:
    plain = {"url": "https://example.org/v.mp4", "protocol": "https", "format_id": "0"}
    request = YtdlpRequest("https://example.org/v.mp4")
    resume = Resume(tmp_path, on_resumed=lambda size: None)

    resume.begin("media.mp4", plain)
    assert resume.follows(request)
    resume.begin("media.mp4", {**plain, **info})
    assert not resume.follows(request)


@pytest.mark.parametrize("name", ["media.f137.mp4", "../media.mp4", "media", "-"])
def test_only_the_one_file_of_a_download_is_followed(tmp_path: Path, name: str) -> None:
    resume = Resume(tmp_path, on_resumed=lambda size: None)

    resume.begin(name, {"url": "https://example.org/v.mp4", "protocol": "https"})

    assert not resume.follows(YtdlpRequest("https://example.org/v.mp4"))


def test_what_turned_out_to_be_wrong_is_not_kept(trying: Begin) -> None:
    """The next attempt would end the same way, for ever."""
    tries = trying(Film(b"an error message\n" * 200_000, etag='"1"'))

    ended = tries.finish()

    assert ended.error_class == "incomplete"
    assert tries.keep(ended.directory) == 0


def test_what_was_processed_is_not_what_the_site_sent(trying: Begin, body: bytes) -> None:
    tries = trying(Film(body[len(BOXES) :], etag='"1"'))

    ended = tries.finish(audio="mp3")

    assert ended.file.suffix == ".mp3"
    assert not (ended.directory / PROOF).exists()


def test_progress_counts_what_was_carried(trying: Begin, body: bytes) -> None:
    tries = trying(Film(body, etag='"1"'))
    kept = tries.keep(tries.kill())

    ended = tries.finish()

    advances = [item for item in ended.messages if isinstance(item, Advance)]
    kinds = [type(item) for item in ended.messages]
    assert advances[0].received_bytes > kept
    assert totals(ended) == {len(body)}
    assert kinds.index(Resumed) < kinds.index(Advance)


def test_another_form_of_the_video_is_fetched_whole(trying: Begin, body: bytes) -> None:
    tries = trying(Film(body, etag='"1"'))
    tries.keep(tries.kill())
    carried = tries.root / tries.carried
    proof = Proof.read(carried)
    assert proof is not None
    replace(proof, format_id="another").write(carried)

    ended = tries.finish()

    assert ended.file.read_bytes() == body
    assert resumed(ended) == []


def test_a_stream_of_fragments_is_not_begun_with_what_was_carried(
    trying: Begin, body: bytes, scripted_site: ScriptedSite, media_server: MediaServer
) -> None:
    """yt-dlp appends fragments to a `.part` that it finds."""
    tries = trying(Film(body, etag='"1"'))
    tries.keep(tries.kill())
    tries.url, tries.origin = media_server.url("/hls/index.m3u8"), media_server.origin

    ended = tries.finish()

    assert ended.file.stat().st_size < LEAST_BYTES
    assert resumed(ended) == []
    assert not (ended.directory / CARRIED).exists()


# Keeping, on the disk alone


def left(root: Path, *, size: int = 2 * LEAST_BYTES, total: int = 10**8) -> Path:
    """A directory as a killed attempt leaves it, with what else is in one."""
    directory = root / directory_name("abc")
    (directory / ".cache").mkdir(parents=True)
    (directory / ".cache" / "junk").write_bytes(b"junk")
    (directory / isolation.OWNER).touch()
    (directory / "media.mp4.part").write_bytes(os.urandom(size))
    proof().write(directory)
    return directory


def proof(name: str = "media.mp4", total_bytes: int = 10**8) -> Proof:
    return Proof(
        name=name, format_id="0", total_bytes=total_bytes, etag='"1"', last_modified=LONG_AGO
    )


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_only_bytes_and_proof_are_kept(tmp_path: Path) -> None:
    directory = left(tmp_path)
    content = (directory / "media.mp4.part").read_bytes()

    kept = partial.keep(tmp_path, directory.name)

    assert kept == len(content)
    assert names(tmp_path) == {directory.name}
    assert names(directory) == {"media.mp4.part", PROOF}
    assert (directory / "media.mp4.part").read_bytes() == content
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_keeping_twice_is_keeping_once(tmp_path: Path) -> None:
    directory = left(tmp_path)

    once, twice = (partial.keep(tmp_path, directory.name) for _ in range(2))

    assert once == twice > 0
    assert names(directory) == {"media.mp4.part", PROOF}


@pytest.mark.parametrize("size", [0, 1, LEAST_BYTES - 1])
def test_too_little_is_not_kept(tmp_path: Path, size: int) -> None:
    directory = left(tmp_path, size=size)

    assert partial.keep(tmp_path, directory.name) == 0
    assert names(tmp_path) == set()


def plant_link(directory: Path, secret: Path) -> None:
    (directory / "media.mp4.part").unlink()
    (directory / "media.mp4.part").symlink_to(secret)


def plant_hard_link(directory: Path, secret: Path) -> None:
    (directory / "media.mp4.part").unlink()
    (directory / "media.mp4.part").hardlink_to(secret)


def plant_fifo(directory: Path, secret: Path) -> None:
    (directory / "media.mp4.part").unlink()
    os.mkfifo(directory / "media.mp4.part")


def plant_proof_link(directory: Path, secret: Path) -> None:
    (directory / PROOF).rename(secret.parent / PROOF)
    (directory / PROOF).symlink_to(secret.parent / PROOF)


def plant_carried_link(directory: Path, secret: Path) -> None:
    (directory / CARRIED).symlink_to(secret.parent)


def plant_path(directory: Path, secret: Path) -> None:
    elsewhere = str(secret).removesuffix(".part")
    proof(name=elsewhere, total_bytes=secret.stat().st_size).write(directory)


def plant_nonsense(directory: Path, secret: Path) -> None:
    (directory / PROOF).write_text('{"name": 5}')


def plant_too_much(directory: Path, secret: Path) -> None:
    proof(total_bytes=5).write(directory)


@pytest.mark.parametrize(
    "plant",
    [
        plant_link,
        plant_hard_link,
        plant_fifo,
        plant_proof_link,
        plant_carried_link,
        plant_path,
        plant_nonsense,
        plant_too_much,
    ],
)
def test_what_somebody_planted_is_not_kept(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret.mp4.part"
    secret.write_bytes(b"s" * 2 * LEAST_BYTES)
    directory = left(tmp_path)
    plant(directory, secret)

    kept = partial.keep(tmp_path, directory.name)

    assert kept == 0
    assert names(tmp_path) == {"outside"}
    assert secret.read_bytes() == b"s" * 2 * LEAST_BYTES


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    directory = left(tmp_path)
    (directory / CARRIED).mkdir()
    (directory / CARRIED / f"{PROOF}.new").symlink_to(victim)

    partial.keep(tmp_path, directory.name)

    assert victim.read_text() == "precious"


def test_keeping_that_was_interrupted_is_done_again(tmp_path: Path) -> None:
    """After each of its steps: bytes moved, proof written, name given back, the rest removed."""

    def moved(directory: Path) -> None:
        (directory / CARRIED).mkdir()
        (directory / "media.mp4.part").rename(directory / CARRIED / "media.mp4.part")

    def gathered(directory: Path) -> None:
        moved(directory)
        proof().write(directory / CARRIED)

    def given_back(directory: Path) -> None:
        gathered(directory)
        aside = directory.rename(f"{directory}{isolation.REMOVING}")
        (aside / CARRIED).rename(directory)

    def taken_by_a_child_by_half(directory: Path) -> None:
        (directory / CARRIED).mkdir()
        (directory / PROOF).rename(directory / CARRIED / PROOF)

    for step in (moved, gathered, given_back, taken_by_a_child_by_half):
        directory = left(tmp_path)
        step(directory)

        assert partial.keep(tmp_path, directory.name) == 2 * LEAST_BYTES, step
        assert names(directory) == {"media.mp4.part", PROOF}
        assert names(tmp_path) == {directory.name}
        isolation.remove_directory(tmp_path, directory.name)


def test_keeping_that_was_interrupted_while_it_was_set_aside_leaves_nothing(
    tmp_path: Path,
) -> None:
    directory = left(tmp_path)
    directory.rename(f"{directory}{isolation.REMOVING}")

    assert partial.keep(tmp_path, directory.name) == 0
    assert names(tmp_path) == set()


def test_nothing_is_brought_that_is_not_there(tmp_path: Path) -> None:
    directory = tmp_path / directory_name("abc")
    directory.mkdir()
    link = tmp_path / directory_name("abc")
    link.symlink_to(directory)

    assert not partial.bring(tmp_path, directory_name("abc"), directory)
    assert not partial.bring(tmp_path, link.name, directory)
    assert names(directory) == set()
