"""A quota's meter: counts exactly, says once that it is spent, begins anew."""

from server.keys.meter import MemoryMeter, Quota


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def metered(tokens: int = 10, window_s: int = 60) -> tuple[MemoryMeter, Clock, list[float]]:
    """A meter, its clock, and when it was spent."""
    clock, spent = Clock(), list[float]()
    meter = MemoryMeter(Quota(tokens, window_s), clock)
    meter.on_spent = lambda: spent.append(clock.now)
    return meter, clock, spent


def test_tokens_are_counted_off_until_none_is_left_and_that_is_said_once() -> None:
    meter, _, spent = metered()
    meter.spend(9)
    assert (meter.left, meter.is_spent, spent) == (1, False, [])
    meter.spend(1)
    meter.spend(5)
    assert (meter.left, meter.is_spent, spent) == (0, True, [100.0])


def test_what_was_no_thinking_after_all_is_given_back() -> None:
    meter, _, _ = metered()
    meter.spend(4)
    meter.spend(-3)
    assert meter.left == 9


def test_next_window_begins_with_the_first_look_behind_the_last_ones_end() -> None:
    meter, clock, spent = metered()
    meter.spend(10)
    clock.now += 59.5
    assert (meter.left, meter.resets_in_s) == (0, 0.5)
    clock.now += 0.5
    assert (meter.left, meter.resets_in_s) == (10, 60.0)
    clock.now += 1000
    meter.spend(10)
    assert meter.resets_in_s == 60.0
    assert len(spent) == 2
