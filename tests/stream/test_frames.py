"""What the stream reads from rows: frames, reports and the numbers."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from downloads.models import Progress, StreamPosition, Transition
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Outcome, Phase, Reason, State
from downloads.stream import frames
from downloads.stream.frames import Stats
from tests.helpers import lives

pytestmark = pytest.mark.both_databases


def numbers(**changes: object) -> Stats:
    values = {
        "counts": {
            (1, "created", ""): 2,
            (2, "created", ""): 3,
            (None, "cleaned", "failed"): 1,
        },
        "speeds": {1: 1000.4, 2: 500.0},
        "free_bytes": 2**30,
        "workers": 1,
    }
    return Stats(**{**values, **changes})  # type: ignore[arg-type]


def data_of(event: bytes) -> object:
    return json.loads(event.partition(b"data: ")[2])


def test_a_new_download_is_a_frame(user: User) -> None:
    download = lives.submit(user)

    (made,) = frames.read_frames(after=0)

    row = Transition.objects.get()
    assert (made.seq, made.owner_id, made.correlation_id) == (
        row.seq,
        user.pk,
        download.correlation_id,
    )
    assert made.data.startswith(f"id: {row.seq}\nevent: transition\ndata: ".encode())
    assert data_of(made.data) == {
        "correlation_id": download.correlation_id,
        "from": None,
        "to": "created",
        "at": row.at.isoformat().replace("+00:00", "Z"),
        "actor": "test",
        "reason": "submitted",
        "attempt": 0,
        "outcome": None,
        "error": None,
    }


def test_a_failure_says_its_error_and_outcome(user: User, clean_disk: None) -> None:
    lives.fail(lives.submit(user), ErrorClass.GEO_BLOCKED)

    data = data_of(frames.read_frames(after=0)[-1].data)

    assert isinstance(data, dict)
    assert (data["to"], data["error"], data["outcome"]) == ("failed", "geo_blocked", "failed")


def test_frames_come_in_order_after_a_seq_and_upto_one(user: User, clean_disk: None) -> None:
    lives.fail(lives.submit(user))

    first = StreamPosition.current() - 4
    assert [made.seq - first for made in frames.read_frames(after=0)] == [0, 1, 2, 3, 4]
    assert [made.seq - first for made in frames.read_frames(after=first + 2)] == [3, 4]
    middle = frames.read_frames(after=first, upto=first + 2)
    assert [made.seq - first for made in middle] == [1, 2]


def test_a_deletion_is_a_frame_in_its_place_and_tells_whose_it_was(user: User) -> None:
    forgotten, kept = lives.submit(user), lives.submit(user)
    before = StreamPosition.current()

    forgotten.forget()
    lives.submit(user)

    made = frames.read_frames(after=before - 1)
    assert [(each.seq - before, each.is_deletion) for each in made] == [
        (0, False),
        (1, True),
        (2, False),
    ]
    assert made[0].correlation_id == kept.correlation_id
    assert (made[1].correlation_id, made[1].owner_id) == (forgotten.correlation_id, user.pk)


def test_no_deletion_is_passed_over_between_two_readings(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "BATCH_FRAMES", 2)
    before = StreamPosition.current()
    for _ in range(2):
        lives.submit(user)
    lives.submit(user).forget()  # leaves no transition with seq 3

    def read(after: int) -> list[tuple[int, bool]]:
        made = frames.read_frames(after=before + after)
        return [(frame.seq - before, frame.is_deletion) for frame in made]

    assert read(0) == [(1, False), (2, False)]
    assert read(1) == [(2, False), (4, True)]
    assert read(2) == [(4, True)]


def test_a_report_is_what_a_download_receives(user: User, clean_disk: None) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.update(
        phase=Phase.FETCHING,
        received_bytes=10,
        total_bytes=100,
        speed=5.5,
        eta_seconds=18.0,
        fragment=3,
        fragments=9,
    )

    (made,) = frames.read_reports({}, version=3).values()

    assert (made.version, made.owner_id) == (3, user.pk)
    assert json.loads(made.data) == {
        "correlation_id": download.correlation_id,
        "phase": "fetching",
        "bytes": 10,
        "resumed": 0,
        "total": 100,
        "speed": 5.5,
        "eta": 18.0,
        "fragment": 3,
        "fragments": 9,
        "entries": 0,
    }


def test_a_report_keeps_its_version_until_it_is_different(user: User, clean_disk: None) -> None:
    lives.start(lives.submit(user))
    first = frames.read_reports({}, version=1)

    same = frames.read_reports(first, version=2)
    Progress.objects.update(received_bytes=1)
    different = frames.read_reports(same, version=3)

    assert same == first
    assert [made.version for made in different.values()] == [3]


def test_a_download_that_ended_has_no_report(user: User, clean_disk: None) -> None:
    download = lives.start(lives.submit(user))
    before = frames.read_reports({}, version=1)
    download.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)

    assert frames.read_reports(before, version=2) == {}


def test_stats_are_read_for_all_owners_at_once(user: User, staff: User, clean_disk: None) -> None:
    lives.make_worker(heartbeat_at=lives.long_ago())
    lives.start(lives.submit(user))
    lives.submit(staff)
    lives.submit(None)
    Progress.objects.update(speed=5.0)

    read = Stats.read()

    assert read.counts == {
        (user.pk, "downloading", ""): 1,
        (staff.pk, "created", ""): 1,
        (None, "created", ""): 1,
    }
    assert read.speeds == {user.pk: 5.0}
    assert read.workers == 1
    assert read.free_bytes is not None


def test_an_old_speed_is_no_speed(user: User, clean_disk: None) -> None:
    lives.start(lives.submit(user))
    Progress.objects.update(speed=5.0, updated_at=timezone.now() - timedelta(minutes=1))

    assert Stats.read().speeds == {}


def test_staff_see_the_numbers_of_all() -> None:
    assert data_of(numbers().event_for(None)) == {
        "counts": {**dict.fromkeys(State, 0), "created": 5, "cleaned": 1},
        "outcomes": {**dict.fromkeys(Outcome, 0), "failed": 1},
        "speed": 1500,
        "free": 2**30,
        "workers": 1,
    }


def test_a_user_sees_the_numbers_of_their_own() -> None:
    data = data_of(numbers().event_for(1))

    assert isinstance(data, dict)
    assert data["counts"] == {**dict.fromkeys(State, 0), "created": 2}
    assert data["speed"] == 1000
