"""Changes reach all who listen, and nobody who does not listen holds anybody up."""

import asyncio

import pytest

from veroallarme_core.worker.changes import (
    MAX_LISTENERS,
    MAX_UNHEARD,
    RELOAD,
    Change,
    Changes,
    TooManyListenersError,
)


async def heard(listener, count):
    async with asyncio.timeout(5):
        return [await listener.next() for _ in range(count)]


async def test_all_who_listen_hear_what_changes_and_nothing_earlier():
    changes = Changes()
    changes.tell("verdict", "front", "before")
    with changes.listener() as one, changes.listener() as other:
        changes.tell("verdict", "front", "20260101_000000_abcdef")
        changes.tell("health")
        expected = [Change("verdict", "front", "20260101_000000_abcdef"), Change("health")]
        assert await heard(one, 2) == expected
        assert await heard(other, 2) == expected


async def test_who_waits_is_woken():
    changes = Changes()
    with changes.listener() as listener:
        waiting = asyncio.create_task(listener.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        changes.tell("stats", "front")
        assert await waiting == Change("stats", "front")


async def test_what_waits_already_is_told_once():
    changes = Changes()
    with changes.listener() as listener:
        for _ in range(10):
            changes.tell("stats", "front")
        changes.tell("stats", "yard")
        assert await heard(listener, 2) == [Change("stats", "front"), Change("stats", "yard")]


async def test_who_is_too_slow_is_told_to_look_at_everything_anew():
    changes = Changes()
    with changes.listener() as slow, changes.listener() as quick:
        for number in range(MAX_UNHEARD):
            changes.tell("verdict", "front", str(number))
        await heard(quick, MAX_UNHEARD)
        changes.tell("verdict", "front", "one more")
        changes.tell("verdict", "front", "and one")
        assert await heard(slow, 2) == [Change(RELOAD), Change("verdict", "front", "and one")]
        assert [change.event_id for change in await heard(quick, 2)] == ["one more", "and one"]


async def test_only_so_many_listen_and_who_leaves_makes_room():
    changes = Changes()
    listening = [changes.listener() for _ in range(MAX_LISTENERS)]
    for listener in listening:
        listener.__enter__()
    with pytest.raises(TooManyListenersError), changes.listener():
        pass
    listening[0].__exit__(None, None, None)
    with changes.listener():
        pass


async def test_who_stops_listening_is_forgotten():
    changes = Changes()
    with changes.listener():
        assert len(changes._listeners) == 1
    changes.tell("health")
    assert not changes._listeners
