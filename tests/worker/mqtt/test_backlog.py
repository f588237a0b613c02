"""Since when a message may have waited at the broker."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from veroallarme_core.worker.clock import now
from veroallarme_core.worker.mqtt import backlog as backlog_module
from veroallarme_core.worker.mqtt.backlog import Backlog

HEARD_AT = datetime(2026, 11, 23, 6, 14, 2, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that says when a former run last heard the broker."""
    path = tmp_path / "client_id"
    path.write_text("me")
    os.utime(path, (HEARD_AT.timestamp(), HEARD_AT.timestamp()))
    return path


def unexpected() -> None:
    pytest.fail("the mark was lost")


async def test_what_comes_before_the_mark_may_have_waited(file: Path) -> None:
    backlog = Backlog(file, unexpected)
    assert backlog.since is None
    backlog.connected(resumed=True)
    assert backlog.since == HEARD_AT
    mark = backlog.send_mark()
    backlog.heard()
    backlog.take_mark(b"of an earlier connection")
    assert backlog.since == HEARD_AT
    backlog.take_mark(mark)
    assert backlog.since is None


async def test_a_new_session_has_kept_nothing(file: Path) -> None:
    backlog = Backlog(file, unexpected)
    backlog.connected(resumed=False)
    assert backlog.since is None


async def test_a_connection_that_breaks_leaves_its_rest_to_the_next_one(file: Path) -> None:
    backlog = Backlog(file, unexpected)
    backlog.connected(resumed=True)
    first = backlog.send_mark()
    backlog.heard()
    backlog.disconnected()
    backlog.connected(resumed=True)
    backlog.take_mark(first)
    assert backlog.since == HEARD_AT, "the mark of the connection before says nothing"
    backlog.take_mark(backlog.send_mark())
    before = now()
    backlog.heard()
    backlog.disconnected()
    backlog.connected(resumed=True)
    assert backlog.since is not None
    assert backlog.since >= before


async def test_a_mark_that_never_comes_back_is_given_up_after_a_silence(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "QUIET_S", 0.3)
    lost = asyncio.Event()
    backlog = Backlog(file, lost.set)
    backlog.connected(resumed=True)
    backlog.send_mark()
    for _ in range(5):
        await asyncio.sleep(0.1)
        backlog.heard()
        assert backlog.since == HEARD_AT
    async with asyncio.timeout(10):
        await lost.wait()
    assert backlog.since is None


async def test_a_restart_knows_when_the_broker_was_last_heard(file: Path) -> None:
    backlog = Backlog(file, unexpected)
    backlog.connected(resumed=True)
    backlog.remember()
    assert Backlog(file, unexpected)._heard_at == HEARD_AT, "not before the backlog is delivered"
    backlog.take_mark(backlog.send_mark())
    before = now()
    backlog.heard()
    backlog.remember()
    restarted = Backlog(file, unexpected)
    restarted.connected(resumed=True)
    assert restarted.since is not None
    assert before - timedelta(milliseconds=1) <= restarted.since <= now()


async def test_without_the_file_nothing_is_earlier_than_the_present(tmp_path: Path) -> None:
    before = now()
    backlog = Backlog(tmp_path / "none", unexpected)
    backlog.remember()
    backlog.connected(resumed=True)
    assert backlog.since is not None
    assert backlog.since >= before
