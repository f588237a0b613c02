"""A network of the user's own stands among the cues, and decides nothing."""

import math
from pathlib import Path

from tests.onnx_networks import write_network
from tests.pipeline.bursts import MOVING, STILL
from veroallarme_core.contract import CameraSettings, Mode
from veroallarme_core.pipeline import MODEL, EventPipeline
from veroallarme_core.relevance_mask import RelevanceMaskPredictor

FILTER = CameraSettings(mode=Mode.FILTER)


def test_network_that_fails_costs_no_verdict(tmp_path: Path) -> None:
    broken = RelevanceMaskPredictor(write_network(tmp_path / "broken.onnx", gain=math.inf))
    with_network = EventPipeline(broken).judge(MOVING, FILTER)
    alone = EventPipeline().judge(MOVING, FILTER)
    assert with_network.state is alone.state
    assert with_network.score == alone.score
    assert with_network.model == MODEL
    assert "network_score" not in with_network.cues


def test_network_says_its_opinion_among_the_cues(tmp_path: Path) -> None:
    network = RelevanceMaskPredictor(write_network(tmp_path / "network.onnx"))
    result = EventPipeline(network).judge(MOVING, FILTER)
    assert result.cues["network_score"] > 0.5
    assert result.state is EventPipeline().judge(MOVING, FILTER).state
    assert "network_score" not in EventPipeline(network).judge(STILL, FILTER).cues
