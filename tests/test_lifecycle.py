"""One life without rows. The three faults that the original system had come first."""

import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from downloads import cleanup_download
from downloads.disk.isolation import is_owned
from downloads.disk.temp_manager import TempManager
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Outcome, State
from downloads.standalone import DownloadCancelled, DownloadLifecycle, DownloadResult

DEADLINE_SECONDS = 20
UNTIL_COMPLETED = ["created", "initializing", "ready", "downloading", "completed"]


def lifecycle_in(root: Path, **arguments: Any) -> DownloadLifecycle:
    return DownloadLifecycle("abc", DownloadOptions(), root=root, **arguments)


def states(lifecycle: DownloadLifecycle) -> list[str]:
    return [state.value for state, _, _ in lifecycle.state_history]


def give_a_video(directory: Path, options: DownloadOptions) -> Mapping[str, object]:
    (directory / "video.mp4").write_bytes(b"a whole video")
    return {"file_path": directory / "video.mp4", "title": "A video"}


def fail(directory: Path, options: DownloadOptions) -> None:
    (directory / "video.part").write_bytes(b"half a video")
    raise ValueError("no such video")


def left_in(root: Path) -> list[str]:
    return TempManager(root).list_active_downloads()


# --- fault 1: a flag that did nothing


def test_a_failed_download_keeps_its_directory_when_the_flag_says_so(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path, cleanup_on_failure=False)

    with lifecycle, pytest.raises(ValueError, match="no such video"):
        lifecycle.execute(fail)

    assert lifecycle.get_temp_path("video.part").read_bytes() == b"half a video"
    assert lifecycle.state is State.FAILED
    assert lifecycle.outcome is Outcome.FAILED


def test_a_completed_download_keeps_its_directory_when_the_flag_says_so(tmp_path: Path) -> None:
    with lifecycle_in(tmp_path, cleanup_on_success=False) as lifecycle:
        result = lifecycle.execute(give_a_video)

    assert result.file_path is not None
    assert result.file_path.read_bytes() == b"a whole video"
    assert lifecycle.state is State.COMPLETED


@pytest.mark.parametrize("download", [give_a_video, lambda directory, options: None])
def test_the_flag_keeps_the_directory_whatever_was_handed_over(
    tmp_path: Path, download: Callable[[Path, DownloadOptions], object]
) -> None:
    lifecycle = lifecycle_in(tmp_path, cleanup_on_success=False)

    result = lifecycle.execute(
        download, deliver=lambda path: shutil.move(path, tmp_path / "delivered.mp4")
    )

    assert result.temp_dir is not None
    assert result.temp_dir.is_dir()
    assert states(lifecycle) == UNTIL_COMPLETED


def test_the_flag_of_one_ending_does_not_keep_the_directory_on_the_other(tmp_path: Path) -> None:
    failing = lifecycle_in(tmp_path, cleanup_on_success=False)
    with pytest.raises(ValueError, match="no such video"):
        failing.execute(fail)

    with lifecycle_in(tmp_path, cleanup_on_failure=False) as completing:
        completing.execute(give_a_video)

    assert failing.state is completing.state is State.CLEANED
    assert left_in(tmp_path) == []


def test_a_kept_directory_is_free_for_others_and_removed_by_cleanup(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path, cleanup_on_failure=False)
    with pytest.raises(ValueError, match="no such video"):
        lifecycle.execute(fail)
    assert not is_owned(tmp_path, lifecycle.get_temp_path("x").parent.name)

    assert lifecycle.cleanup() is True

    assert left_in(tmp_path) == []
    assert lifecycle.state is State.CLEANED
    assert lifecycle.outcome is Outcome.FAILED


# --- fault 2: removed before it was handed over


def test_the_file_exists_when_execute_returns_and_until_the_with_block_is_left(
    tmp_path: Path,
) -> None:
    with lifecycle_in(tmp_path) as lifecycle:
        result = lifecycle.execute(give_a_video)

        assert result.file_path is not None
        assert result.file_path.read_bytes() == b"a whole video"
        assert lifecycle.state is State.COMPLETED
        shutil.move(result.file_path, tmp_path / "taken.mp4")

    assert (tmp_path / "taken.mp4").read_bytes() == b"a whole video"
    assert left_in(tmp_path) == []
    assert states(lifecycle) == [*UNTIL_COMPLETED, "cleaned"]


def test_without_a_with_block_the_file_waits_for_cleanup(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    result = lifecycle.execute(give_a_video)
    assert result.file_path is not None
    assert result.file_path.read_bytes() == b"a whole video"
    assert lifecycle.cleanup() is True

    assert left_in(tmp_path) == []
    assert states(lifecycle) == [*UNTIL_COMPLETED, "cleaned"]


def test_a_file_that_was_not_taken_yet_is_protected_from_other_cleanups(tmp_path: Path) -> None:
    with lifecycle_in(tmp_path) as lifecycle:
        result = lifecycle.execute(give_a_video)

        assert cleanup_download("abc", tmp_path) is False
        assert TempManager(tmp_path).cleanup_old(timedelta(0)) == 0
        assert result.file_path is not None
        assert result.file_path.exists()


def test_a_file_that_is_delivered_is_moved_before_the_directory_is_removed(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    result = lifecycle.execute(
        give_a_video, deliver=lambda path: shutil.move(path, tmp_path / "delivered.mp4")
    )

    assert result.file_path == tmp_path / "delivered.mp4"
    assert result.file_path.read_bytes() == b"a whole video"
    assert result.temp_dir is None
    assert left_in(tmp_path) == []
    assert states(lifecycle) == [*UNTIL_COMPLETED, "cleaned"]


def test_a_file_that_stays_in_the_directory_after_delivery_is_still_waited_for(
    tmp_path: Path,
) -> None:
    lifecycle = lifecycle_in(tmp_path)

    result = lifecycle.execute(give_a_video, deliver=lambda path: path.rename(f"{path}.done"))

    assert result.file_path is not None
    assert result.file_path.name == "video.mp4.done"
    assert result.file_path.exists()


def test_a_link_in_the_directory_is_waited_for_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.mp4").write_bytes(b"x")

    def give_a_link(directory: Path, options: DownloadOptions) -> Mapping[str, object]:
        (directory / "video.mp4").symlink_to(tmp_path / "elsewhere.mp4")
        return {"file_path": directory / "video.mp4"}

    result = lifecycle_in(tmp_path).execute(give_a_link)

    assert result.file_path is not None
    assert result.file_path.exists()


def test_a_root_behind_a_link_makes_no_difference(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    def give_the_real_path(directory: Path, options: DownloadOptions) -> Mapping[str, object]:
        give_a_video(directory, options)
        return {"file_path": directory.resolve() / "video.mp4"}

    result = lifecycle_in(tmp_path / "link").execute(give_the_real_path)

    assert result.file_path is not None
    assert result.file_path.exists()


def test_what_the_download_put_elsewhere_itself_needs_no_waiting(tmp_path: Path) -> None:
    def put_elsewhere(directory: Path, options: DownloadOptions) -> Mapping[str, object]:
        (tmp_path / "video.mp4").write_bytes(b"x")
        return {"file_path": tmp_path / "video.mp4"}

    lifecycle = lifecycle_in(tmp_path)
    result = lifecycle.execute(put_elsewhere)

    assert result.file_path == tmp_path / "video.mp4"
    assert result.file_path.exists()
    assert lifecycle.state is State.CLEANED


def test_a_failed_delivery_is_a_failed_download(tmp_path: Path) -> None:
    def refuse(path: Path) -> Path:
        raise OSError("the library is full")

    lifecycle = lifecycle_in(tmp_path)
    with pytest.raises(OSError, match="the library is full"):
        lifecycle.execute(give_a_video, deliver=refuse)

    assert lifecycle.outcome is Outcome.FAILED
    assert left_in(tmp_path) == []


# --- fault 3: two result types; and what a download may return


def test_a_result_of_the_one_type_keeps_its_file(tmp_path: Path) -> None:
    def give_a_result(directory: Path, options: DownloadOptions) -> DownloadResult:
        give_a_video(directory, options)
        return DownloadResult(
            success=True, file_path=directory / "video.mp4", metadata={"title": "A video"}
        )

    result = lifecycle_in(tmp_path).execute(give_a_result)

    assert type(result) is DownloadResult
    assert result.file_path is not None
    assert result.file_path.read_bytes() == b"a whole video"
    assert result.metadata == {"title": "A video"}
    assert result.correlation_id == "abc"
    assert result.temp_dir == result.file_path.parent


def test_a_mapping_gives_its_file_and_the_rest_as_metadata(tmp_path: Path) -> None:
    result = lifecycle_in(tmp_path).execute(give_a_video)

    assert result.success
    assert result.file_path is not None
    assert result.file_path.name == "video.mp4"
    assert result.metadata == {"title": "A video"}


@pytest.mark.parametrize("file_path", ["video.mp4", "./video.mp4", Path("video.mp4")])
def test_a_relative_file_path_is_one_in_the_directory(
    tmp_path: Path, file_path: str | Path
) -> None:
    def give_a_name(directory: Path, options: DownloadOptions) -> Mapping[str, object]:
        give_a_video(directory, options)
        return {"file_path": file_path}

    result = lifecycle_in(tmp_path).execute(give_a_name)

    assert result.file_path is not None
    assert result.file_path.read_bytes() == b"a whole video"


@pytest.mark.parametrize(
    "returned", [None, "a text", 7, ["a", "list"], {"title": "A video"}, {}, ("a", "tuple")]
)
def test_anything_else_is_metadata_and_needs_no_waiting(tmp_path: Path, returned: object) -> None:
    lifecycle = lifecycle_in(tmp_path)

    result = lifecycle.execute(lambda directory, options: returned)

    assert result == DownloadResult(success=True, metadata=returned, correlation_id="abc")
    assert lifecycle.state is State.CLEANED
    assert left_in(tmp_path) == []


def test_a_file_path_of_none_is_no_file(tmp_path: Path) -> None:
    result = lifecycle_in(tmp_path).execute(lambda directory, options: {"file_path": None})

    assert result.success
    assert result.file_path is None


def test_a_result_whose_file_does_not_exist_is_a_failure(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    with pytest.raises(FileNotFoundError, match=r"nowhere\.mp4"):
        lifecycle.execute(lambda directory, options: {"file_path": "nowhere.mp4"})

    assert lifecycle.outcome is Outcome.FAILED
    assert left_in(tmp_path) == []


def test_a_result_without_success_is_returned_and_failed(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    result = lifecycle.execute(
        lambda directory, options: DownloadResult(success=False, metadata="why"),
        deliver=lambda path: pytest.fail("nothing to deliver"),
    )

    assert not result.success
    assert result.metadata == "why"
    assert lifecycle.outcome is Outcome.FAILED
    assert left_in(tmp_path) == []


def test_a_result_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        DownloadResult(success=True).success = False  # type: ignore[misc]


# --- the way through the states


def test_the_download_works_in_the_directory_with_the_options(tmp_path: Path) -> None:
    seen: list[object] = []
    options = DownloadOptions().with_overrides(audio="mp3")

    def look(directory: Path, given: DownloadOptions) -> None:
        seen.extend([directory.is_dir(), directory.parent, given is options])
        seen.append(lifecycle.get_temp_path("../video.mp4") == directory / "video.mp4")
        seen.extend([lifecycle.state, lifecycle.is_active, lifecycle.outcome])

    lifecycle = DownloadLifecycle("abc", options, root=tmp_path)
    lifecycle.execute(look)

    assert seen == [True, tmp_path, True, True, State.DOWNLOADING, True, None]


def test_a_failure_passes_through_failed_to_cleaned_with_its_reason(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    with pytest.raises(ValueError, match="no such video"):
        lifecycle.execute(fail)

    assert states(lifecycle) == [*UNTIL_COMPLETED[:4], "failed", "cleaned"]
    assert lifecycle.state_history[4][1] == "ValueError: no such video"
    assert not lifecycle.is_active
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_every_exception_ends_the_download_and_comes_out_as_it_is(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def interrupt(directory: Path, options: DownloadOptions) -> None:
        raise error

    lifecycle = lifecycle_in(tmp_path)
    with pytest.raises(error):
        lifecycle.execute(interrupt)

    assert states(lifecycle)[-2:] == ["failed", "cleaned"]
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(("is_cleaned", "ends"), [(True, "cleaned"), (False, "failed")])
def test_a_directory_that_cannot_be_made_is_a_failure(
    tmp_path: Path, is_cleaned: bool, ends: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    lifecycle = lifecycle_in(tmp_path / "file", cleanup_on_failure=is_cleaned)

    with pytest.raises(OSError, match="file"):
        lifecycle.execute(give_a_video)

    assert states(lifecycle)[:3] == ["created", "initializing", "failed"]
    assert lifecycle.state == ends
    with pytest.raises(RuntimeError, match="no directory"):
        lifecycle.get_temp_path("video.mp4")


def test_the_history_is_in_order_and_in_utc(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    lifecycle = lifecycle_in(tmp_path)
    lifecycle.execute(give_a_video)
    after = datetime.now(UTC)

    instants = [at for _, _, at in lifecycle.state_history]

    assert instants == sorted(instants)
    assert before <= instants[0]
    assert instants[-1] <= after
    assert all(at.utcoffset() == timedelta(0) for at in instants)


def test_the_history_that_was_given_out_is_a_copy(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    lifecycle.state_history.clear()

    assert states(lifecycle) == ["created"]


def test_a_lifecycle_is_executed_only_once(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)
    lifecycle.execute(give_a_video)

    with pytest.raises(RuntimeError, match="executed already"):
        lifecycle.execute(give_a_video)

    assert states(lifecycle) == UNTIL_COMPLETED


def test_it_cannot_be_executed_from_inside_itself(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    with pytest.raises(RuntimeError, match="executed already"):
        lifecycle.execute(lambda directory, options: lifecycle.execute(give_a_video))

    assert lifecycle.state is State.CLEANED


@pytest.mark.parametrize("correlation_id", ["", "a_b", "../x", "a*", "a" * 65])
def test_what_is_no_correlation_id_is_refused(correlation_id: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="correlation id"):
        DownloadLifecycle(correlation_id, DownloadOptions(), root=tmp_path)


def test_there_is_no_path_before_the_directory_and_after_it(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)
    with pytest.raises(RuntimeError, match="no directory"):
        lifecycle.get_temp_path("video.mp4")

    lifecycle.execute(give_a_video)
    assert lifecycle.get_temp_path("video.mp4").exists()
    lifecycle.cleanup()

    with pytest.raises(RuntimeError, match="no directory"):
        lifecycle.get_temp_path("video.mp4")


# --- cleanup


def test_cleaning_up_before_the_start_does_nothing(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    assert lifecycle.cleanup() is False
    assert states(lifecycle) == ["created"]


def test_cleaning_up_twice_is_cleaning_up_once(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)
    lifecycle.execute(give_a_video)

    assert [lifecycle.cleanup(), lifecycle.cleanup()] == [True, False]
    assert states(lifecycle).count("cleaned") == 1


def test_a_running_download_cannot_be_cleaned_up(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    def clean_inside(directory: Path, options: DownloadOptions) -> Mapping[str, object]:
        with pytest.raises(RuntimeError, match="cannot be cleaned"):
            lifecycle.cleanup()
        return give_a_video(directory, options)

    assert lifecycle.execute(clean_inside).success


def test_cleanups_from_many_threads_clean_once(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)
    lifecycle.execute(give_a_video)
    barrier = threading.Barrier(8)
    answers: list[bool] = []

    def clean() -> None:
        barrier.wait()
        answers.append(lifecycle.cleanup())

    threads = [threading.Thread(target=clean) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [False] * 7 + [True]
    assert left_in(tmp_path) == []


def test_a_directory_that_cannot_be_removed_does_not_undo_a_delivery(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = tmp_path / "video.mp4"
    in_the_way: list[Path] = []

    def deliver(path: Path) -> Path:
        in_the_way.append(path.parent.with_name(path.parent.name + ".removing"))
        in_the_way[0].write_bytes(b"")
        return path.rename(library)

    lifecycle = lifecycle_in(tmp_path)
    result = lifecycle.execute(give_a_video, deliver=deliver)

    assert result.file_path == library
    assert result.temp_dir is not None
    assert lifecycle.state is State.COMPLETED
    assert "could not be removed" in caplog.text
    assert "Traceback" not in caplog.text
    with pytest.raises(NotADirectoryError):
        lifecycle.cleanup()
    in_the_way[0].unlink()
    assert lifecycle.cleanup() is True
    assert left_in(tmp_path) == []


# --- cancel


class RunningDownload:
    """A lifecycle executing in a thread of its own; `download` waits in the middle of its work."""

    def __init__(self, lifecycle: DownloadLifecycle, **arguments: Any) -> None:
        self.lifecycle = lifecycle
        self.may_go_on = threading.Event()
        self.error: BaseException | None = None
        self._is_inside = threading.Event()
        self._thread = threading.Thread(target=self._execute, kwargs=arguments)
        self._thread.start()
        assert self._is_inside.wait(DEADLINE_SECONDS)

    def finish(self) -> BaseException | None:
        """Let it go on to its end; what `execute` raised."""
        self.may_go_on.set()
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()
        return self.error

    def _execute(self, **arguments: Any) -> None:
        def download(directory: Path, options: DownloadOptions) -> object:
            self._is_inside.set()
            assert self.may_go_on.wait(DEADLINE_SECONDS)
            return arguments.pop("then", give_a_video)(directory, options)

        try:
            self.lifecycle.execute(download, arguments.pop("progress", None))
        except BaseException as error:
            self.error = error


def test_a_cancel_from_another_thread_stops_the_download_at_its_next_report(
    tmp_path: Path,
) -> None:
    lifecycle = lifecycle_in(tmp_path)
    reports: list[object] = []

    def report_for_ever(directory: Path, options: DownloadOptions) -> None:
        while True:
            lifecycle.report({"bytes": len(reports)})

    running = RunningDownload(lifecycle, then=report_for_ever, progress=reports.append)
    assert lifecycle.cancel() is True
    assert lifecycle.is_cancel_requested
    assert lifecycle.state is State.DOWNLOADING

    assert isinstance(running.finish(), DownloadCancelled)
    assert states(lifecycle)[-3:] == ["downloading", "cancelled", "cleaned"]
    assert lifecycle.outcome is Outcome.CANCELLED
    assert len(reports) == 1
    assert left_in(tmp_path) == []


def test_a_cancel_wins_over_the_result_of_a_download_that_did_not_look(tmp_path: Path) -> None:
    running = RunningDownload(lifecycle_in(tmp_path))

    running.lifecycle.cancel()

    assert isinstance(running.finish(), DownloadCancelled)
    assert running.lifecycle.outcome is Outcome.CANCELLED
    assert left_in(tmp_path) == []


def test_a_cancel_wins_over_the_exception_that_it_caused(tmp_path: Path) -> None:
    running = RunningDownload(lifecycle_in(tmp_path), then=fail)

    running.lifecycle.cancel()
    error = running.finish()

    assert isinstance(error, DownloadCancelled)
    assert isinstance(error.__cause__, ValueError)
    assert running.lifecycle.outcome is Outcome.CANCELLED


def test_a_ctrl_c_in_a_cancelled_download_stays_a_ctrl_c(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    def interrupt(directory: Path, options: DownloadOptions) -> None:
        lifecycle.cancel()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lifecycle.execute(interrupt)

    assert lifecycle.outcome is Outcome.CANCELLED


@pytest.mark.parametrize("flag", ["cleanup_on_success", "cleanup_on_failure"])
def test_a_cancelled_download_is_always_cleaned(tmp_path: Path, flag: str) -> None:
    running = RunningDownload(lifecycle_in(tmp_path, **{flag: False}))

    running.lifecycle.cancel()
    running.finish()

    assert running.lifecycle.state is State.CLEANED
    assert left_in(tmp_path) == []


def test_a_download_that_cancels_itself_is_cancelled(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    def give_up(directory: Path, options: DownloadOptions) -> None:
        raise DownloadCancelled("nobody wants it")

    with pytest.raises(DownloadCancelled, match="nobody wants it"):
        lifecycle.execute(give_up)

    assert lifecycle.outcome is Outcome.CANCELLED
    assert lifecycle.cancel() is True


def test_a_cancel_before_the_start_ends_it_at_once_and_execute_refuses(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    assert lifecycle.cancel() is True
    assert states(lifecycle) == ["created", "cancelled", "cleaned"]

    with pytest.raises(DownloadCancelled):
        lifecycle.execute(lambda directory, options: pytest.fail("must not run"))
    assert states(lifecycle) == ["created", "cancelled", "cleaned"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [State.INITIALIZING, State.READY])
def test_a_cancel_between_the_steps_keeps_the_download_from_running(
    tmp_path: Path, at: State
) -> None:
    def cancel_there(origin: State, to: State, detail: str, instant: datetime) -> None:
        if to is at:
            lifecycle.cancel()

    lifecycle = lifecycle_in(tmp_path, on_transition=cancel_there)
    with pytest.raises(DownloadCancelled):
        lifecycle.execute(lambda directory, options: pytest.fail("must not run"))

    assert states(lifecycle)[-3:] == [at.value, "cancelled", "cleaned"]
    assert left_in(tmp_path) == []


def test_cancelling_twice_is_cancelling_once(tmp_path: Path) -> None:
    running = RunningDownload(lifecycle_in(tmp_path))

    answers = [running.lifecycle.cancel(), running.lifecycle.cancel()]
    running.finish()
    answers.append(running.lifecycle.cancel())

    assert answers == [True, True, True]
    assert states(running.lifecycle).count("cancelled") == 1


def test_a_cancel_after_the_end_is_too_late(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)
    lifecycle.execute(give_a_video)

    assert lifecycle.cancel() is False
    assert not lifecycle.is_cancel_requested
    assert lifecycle.state is State.COMPLETED


def test_a_cancel_during_the_delivery_is_too_late(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)
    answers = []

    def deliver(path: Path) -> Path:
        answers.append(lifecycle.cancel())
        return path.rename(tmp_path / "video.mp4")

    result = lifecycle.execute(give_a_video, deliver=deliver)

    assert answers == [False]
    assert result.file_path is not None
    assert result.file_path.exists()
    assert lifecycle.outcome is Outcome.COMPLETED


def test_a_cancel_at_any_moment_is_answered_with_what_happens(tmp_path: Path) -> None:
    for _ in range(200):
        lifecycle = lifecycle_in(tmp_path)
        answers: list[bool] = []

        def cancel(life: DownloadLifecycle = lifecycle, into: list[bool] = answers) -> None:
            into.append(life.cancel())

        thread = threading.Thread(target=cancel)
        thread.start()
        with suppress(DownloadCancelled):
            lifecycle.execute(lambda directory, options: None)
        thread.join()

        assert answers == [lifecycle.outcome is Outcome.CANCELLED]
        assert lifecycle.state is State.CLEANED
    assert left_in(tmp_path) == []


# --- listeners


def test_reports_reach_the_progress_callback_as_they_are(tmp_path: Path) -> None:
    seen: list[object] = []
    lifecycle = lifecycle_in(tmp_path)

    def work(directory: Path, options: DownloadOptions) -> None:
        lifecycle.report({"bytes": 1})
        lifecycle.report("half way")

    lifecycle.execute(work, seen.append)

    assert seen == [{"bytes": 1}, "half way"]


def test_reports_without_a_listener_are_dropped(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    assert lifecycle.execute(lambda directory, options: lifecycle.report(1)).success


def test_a_progress_callback_that_fails_does_not_fail_the_download(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(progress: object) -> None:
        raise ZeroDivisionError

    lifecycle = lifecycle_in(tmp_path)

    assert lifecycle.execute(lambda directory, options: lifecycle.report(1), explode).success
    assert "ZeroDivisionError" in caplog.text


def test_a_progress_callback_may_cancel(tmp_path: Path) -> None:
    lifecycle = lifecycle_in(tmp_path)

    with pytest.raises(DownloadCancelled):
        lifecycle.execute(
            lambda directory, options: lifecycle.report(1), lambda progress: lifecycle.cancel()
        )


def test_every_move_is_announced_as_the_history_has_it(tmp_path: Path) -> None:
    announced: list[tuple[State, State, str, datetime]] = []
    lifecycle = lifecycle_in(tmp_path, on_transition=lambda *move: announced.append(move))

    with pytest.raises(ValueError, match="no such video"):
        lifecycle.execute(fail)

    assert [move[1:] for move in announced] == lifecycle.state_history[1:]
    assert [move[0] for move in announced] == [
        state for state, _, _ in lifecycle.state_history[:-1]
    ]


@pytest.mark.parametrize("error", [ZeroDivisionError, DownloadCancelled])
def test_a_listener_that_fails_at_every_move_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    def explode(*move: object) -> None:
        raise error

    with lifecycle_in(tmp_path, on_transition=explode) as lifecycle:
        lifecycle.execute(give_a_video)

    assert states(lifecycle) == [*UNTIL_COMPLETED, "cleaned"]
    assert left_in(tmp_path) == []
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 5


@pytest.mark.parametrize("cleans", [True, False])
def test_a_listener_may_use_the_lifecycle(tmp_path: Path, cleans: bool) -> None:
    def clean_when_failed(origin: State, to: State, detail: str, at: datetime) -> None:
        if to is State.FAILED:
            assert lifecycle.cancel() is False
            lifecycle.cleanup()

    lifecycle = lifecycle_in(tmp_path, cleanup_on_failure=cleans, on_transition=clean_when_failed)
    with pytest.raises(ValueError, match="no such video"):
        lifecycle.execute(fail)

    assert states(lifecycle)[-2:] == ["failed", "cleaned"]
    assert left_in(tmp_path) == []
