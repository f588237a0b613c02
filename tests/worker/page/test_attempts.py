"""Failed logins are counted by address and by all of them, in bounded memory."""

import pytest

from veroallarme_core.worker.page.attempts import (
    MAX_ADDRESSES,
    MOST_FAILURES,
    MOST_FAILURES_OF_ALL,
    WINDOW_S,
    Attempts,
)


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock)


def test_an_address_waits_after_its_last_try_and_not_for_ever(
    attempts: Attempts, clock: Clock
) -> None:
    for _ in range(MOST_FAILURES):
        assert attempts.wait_s("192.0.2.1") == 0
        attempts.begin("192.0.2.1")
        clock.at += 1
    assert attempts.wait_s("192.0.2.1") == WINDOW_S - MOST_FAILURES
    assert attempts.wait_s("192.0.2.2") == 0
    clock.at += WINDOW_S - MOST_FAILURES
    assert attempts.wait_s("192.0.2.1") == 0
    attempts.begin("192.0.2.1")
    assert attempts.wait_s("192.0.2.1") == 1  # the second failure is still within the window


def test_a_success_forgets_the_failures(attempts: Attempts) -> None:
    for _ in range(MOST_FAILURES):
        attempts.begin("192.0.2.1")
    attempts.succeed("192.0.2.1")
    assert attempts.wait_s("192.0.2.1") == 0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no address", "no address", True),
    ],
)
def test_what_counts_as_one_address(
    attempts: Attempts, one: str, other: str, is_same: bool
) -> None:
    for _ in range(MOST_FAILURES):
        attempts.begin(one)
    assert (attempts.wait_s(other) > 0) == is_same


def test_many_addresses_have_not_many_tries(attempts: Attempts, clock: Clock) -> None:
    for number in range(MOST_FAILURES_OF_ALL):
        assert attempts.wait_s("198.51.100.1") == 0
        attempts.begin(f"192.0.2.{number}")
    assert attempts.wait_s("198.51.100.1") == WINDOW_S
    clock.at += WINDOW_S
    assert attempts.wait_s("198.51.100.1") == 0


def test_a_success_is_none_of_the_failures_of_all(attempts: Attempts) -> None:
    for number in range(MOST_FAILURES_OF_ALL * 2):
        attempts.begin(f"192.0.2.{number}")
        attempts.succeed(f"192.0.2.{number}")
    assert attempts.wait_s("198.51.100.1") == 0


def test_memory_is_bounded(attempts: Attempts) -> None:
    for number in range(MAX_ADDRESSES * 2):
        attempts.begin(f"2001:db8:0:{number:x}::1")
    assert len(attempts._of) == MAX_ADDRESSES
