"""The sentence that tells people how the worker is."""

import pytest

from veroallarme_core.contract import HealthError
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.health_report import summary


def error(message: str) -> HealthError:
    return HealthError(key="x", message=message, at=now())


@pytest.mark.parametrize(
    ("cameras", "errors", "discovery", "sentence"),
    [
        (0, [], "off", "All is well, no camera is served yet."),
        (1, [], "on", "All is well, one camera is served."),
        (3, [], "off", "All is well, 3 cameras are served."),
        (2, ["a: b"], "off", "One thing is wrong (2 cameras are served): a: b."),
        (2, ["Why."], "off", "One thing is wrong (2 cameras are served): Why."),
        (2, ["new", "old"], "off", "2 things are wrong (2 cameras are served), the latest: new."),
        (
            1,
            [],
            "withdrawn",
            "All is well, one camera is served; MQTT discovery is withdrawn, because Home "
            "Assistant's integration is there.",
        ),
    ],
)
def test_the_sentence(cameras, errors, discovery, sentence):
    assert summary(cameras, [error(message) for message in errors], discovery) == sentence
