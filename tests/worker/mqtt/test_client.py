"""The private names of aiomqtt that the client leans on."""

import inspect

import aiomqtt
import pytest

NAMES = {
    "_client": "paho's client, which acknowledges by hand",
    "_disconnected": "the future that is done once the connection is gone",
}
METHODS = {
    "_on_connect": ["client", "userdata", "flags", "reason_code", "properties"],
    "_on_message": ["client", "userdata", "message"],
    "_on_publish": ["client", "userdata", "mid", "reason_code", "properties"],
    "_wait_for": ["fut", "timeout"],
}


def changed(name: str) -> str:
    return (
        f"aiomqtt {aiomqtt.__version__ if hasattr(aiomqtt, '__version__') else ''} has changed "
        f"Client.{name}: look through veroallarme_core/worker/mqtt/client.py, or keep the release "
        "before it in pyproject.toml"
    )


@pytest.mark.parametrize("name", NAMES)
async def test_aiomqtt_still_keeps_what_the_client_reads(name: str) -> None:
    assert hasattr(aiomqtt.Client("localhost"), name), changed(name)


@pytest.mark.parametrize("name", METHODS)
def test_aiomqtt_still_calls_what_the_client_overrides(name: str) -> None:
    method = getattr(aiomqtt.Client, name, None)
    assert method is not None, changed(name)
    parameters = list(inspect.signature(method).parameters)[1:]
    assert parameters[: len(METHODS[name])] == METHODS[name], changed(name)


async def test_paho_is_given_the_overridden_callbacks() -> None:
    """They are looked up on the instance, so that an override is what paho calls."""
    client = aiomqtt.Client("localhost")
    for callback in ("on_connect", "on_message", "on_publish"):
        given = getattr(client._client, callback)
        assert given == getattr(client, f"_{callback}"), changed(f"_{callback}")
