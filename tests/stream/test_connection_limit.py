"""How many streams may be open at once: of one user, and in this process."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.contrib.auth.models import User

from downloads.stream.connection_limit import ConnectionLimit, TooManyConnections
from tests.helpers.serving import Answer, Serving, serving
from tests.helpers.waiting import wait_for


def test_a_user_has_no_more_than_their_own_number() -> None:
    seats = ConnectionLimit()
    seats.take(1, most_of_user=2, most=10)
    seats.take(1, most_of_user=2, most=10)

    with pytest.raises(TooManyConnections, match="You have 2 live updates open") as refused:
        seats.take(1, most_of_user=2, most=10)

    assert refused.value.is_about_the_user
    seats.take(2, most_of_user=2, most=10)


def test_all_together_have_no_more_than_the_process_allows() -> None:
    seats = ConnectionLimit()
    seats.take(1, most_of_user=0, most=2)
    seats.take(2, most_of_user=0, most=2)

    with pytest.raises(TooManyConnections, match="Too many people") as refused:
        seats.take(3, most_of_user=0, most=2)

    assert not refused.value.is_about_the_user


def test_who_was_refused_has_taken_nothing_and_who_leaves_makes_room() -> None:
    seats = ConnectionLimit()
    seats.take(1, most_of_user=1, most=1)
    for user_id in (1, 2):
        with pytest.raises(TooManyConnections):
            seats.take(user_id, most_of_user=1, most=1)

    seats.give_back(1)

    seats.take(2, most_of_user=1, most=1)


def test_zero_is_no_limit() -> None:
    seats = ConnectionLimit()

    for _ in range(50):
        seats.take(1, most_of_user=0, most=0)


@pytest.fixture
def server(shared_db: None) -> Iterator[Serving]:
    with serving("--no-worker", VNSITE_USER_STREAMS="3", VNSITE_STREAMS="5") as process:
        yield process
        wait_for(lambda: not process.database_files(), what="the tailer to end")


def refusal(server: Serving, user: User) -> Answer:
    with server.listen(user=user) as listening:
        assert listening.status != 200  # it would never end
        return Answer(
            listening.status, dict(listening.response.getheaders()), listening.response.read()
        )


def test_over_the_number_a_stream_is_refused_and_says_why_and_when_to_ask_again(
    server: Serving, user: User, staff: User
) -> None:
    other = User.objects.create_user("other")
    with ExitStack() as open_streams:
        for _ in range(3):
            listening = open_streams.enter_context(server.listen(user=user))
            assert listening.next().name == "hello"

        of_user = refusal(server, user)
        for _ in range(2):
            listening = open_streams.enter_context(server.listen(user=staff))
            assert listening.next().name == "hello"
        of_all = refusal(server, other)

        assert (of_user.status, of_all.status) == (429, 503)
        assert b"You have 3 live updates open" in of_user.body
        assert of_user.headers["Retry-After"] == of_all.headers["Retry-After"] == "15"
        assert server.ask("/", user=user).status == 200
    # Everybody left: what was refused counted nothing, and what was open is free again.

    def is_let_in() -> bool:
        with server.listen(user=user) as listening:
            return listening.status == 200

    wait_for(is_let_in, what="a free seat")


def test_a_stream_that_is_refused_for_another_reason_keeps_no_seat(
    server: Serving, user: User
) -> None:
    for _ in range(6):
        assert server.ask("/events/?download=000000000000", user=user).status == 404

    with server.listen(user=user) as listening:
        assert listening.next().name == "hello"
