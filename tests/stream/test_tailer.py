"""How often the tailer reads what is wanted."""

from downloads.stream.tailer import Throttle


def test_what_is_not_wanted_is_not_due() -> None:
    throttle = Throttle(0)
    assert throttle.take() is True

    assert throttle.take() is False
    assert throttle.seconds_left() == float("inf")
    throttle.want()
    assert throttle.take() is True


def test_what_is_wanted_again_waits_for_its_time() -> None:
    throttle = Throttle(1000)
    assert throttle.take() is True

    throttle.want()
    assert throttle.take() is False
    assert 0 < throttle.seconds_left() <= 1000
