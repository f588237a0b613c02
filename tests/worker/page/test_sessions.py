"""Sessions end by their age, by disuse, by a logout, and where there are too many."""

import pytest

from tests.worker.page.test_attempts import Clock
from veroallarme_core.worker.page.sessions import (
    IDLE_LIMIT_S,
    LIFE_LIMIT_S,
    MAX_SESSIONS,
    Sessions,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def test_a_session_is_known_by_its_secret_alone(sessions: Sessions) -> None:
    one, other = sessions.begin(), sessions.begin()
    assert one != other
    assert sessions.knows(one)
    assert not sessions.knows(one[:-1])
    assert not sessions.knows("")
    sessions.end(one)
    assert not sessions.knows(one)
    assert sessions.knows(other)
    sessions.end("never begun")


def test_no_secret_is_kept(sessions: Sessions) -> None:
    secret = sessions.begin()
    assert secret not in repr(vars(sessions))


def test_a_session_ends_when_it_is_not_used(sessions: Sessions, clock: Clock) -> None:
    secret = sessions.begin()
    clock.at += IDLE_LIMIT_S
    assert sessions.knows(secret)
    clock.at += IDLE_LIMIT_S + 1
    assert not sessions.knows(secret)
    assert len(sessions) == 0


def test_a_session_ends_by_its_age_however_much_it_is_used(
    sessions: Sessions, clock: Clock
) -> None:
    secret, began_at = sessions.begin(), clock.at
    while clock.at - began_at + IDLE_LIMIT_S / 2 <= LIFE_LIMIT_S:
        clock.at += IDLE_LIMIT_S / 2
        assert sessions.knows(secret)
    clock.at = began_at + LIFE_LIMIT_S + 1
    assert not sessions.knows(secret)


def test_the_one_that_was_not_used_for_longest_ends_for_a_new_one(sessions: Sessions) -> None:
    secrets = [sessions.begin() for _ in range(MAX_SESSIONS)]
    assert sessions.knows(secrets[0])
    sessions.begin()
    assert len(sessions) == MAX_SESSIONS
    assert sessions.knows(secrets[0])
    assert not sessions.knows(secrets[1])
