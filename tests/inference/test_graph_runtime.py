"""What a runtime keeps between inferences, and that it can be given back."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import veroallarme_core
from veroallarme_core.inference import ONNXRUNTIME, OPENVINO, Graph, open_graph

TRUNK = Path(veroallarme_core.__file__).parent / "models" / "scene_trunk.onnx"

# Resident megabytes after inferences of large pictures, before and after `release`.
PROGRAM = f"""
import json, re
from pathlib import Path
import numpy as np
from veroallarme_core.inference import open_graph
from veroallarme_core.worker.process_memory import give_back

def resident_mb():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\\s+(\\d+)", status)[1]) / 1e3

graph = open_graph("openvino", Path({str(TRUNK)!r}), 1, remedy="")
graph.run(np.zeros((1, 3, 736, 896), np.float32), "c3")
give_back()
before = resident_mb()
graph.release()
give_back()
print(json.dumps([before, resident_mb()]))
"""


@pytest.fixture(
    params=[(OPENVINO, 1), (OPENVINO, 3), (ONNXRUNTIME, 1)],
    ids=lambda given: f"{given[0]}-{given[1]}",
)
def graph(request: pytest.FixtureRequest) -> Graph:
    runtime, at_once = request.param
    return open_graph(runtime, TRUNK, 1, remedy="", at_once=at_once)


def pictures(count: int) -> np.ndarray:
    values = np.random.default_rng(count).uniform(-1, 1, (count, 3, 64, 80))
    return values.astype(np.float32)


def test_what_was_released_answers_as_before(graph: Graph) -> None:
    expected = [graph.run(pictures(count), "c3")[0] for count in (1, 3)]
    graph.release()
    graph.release()

    again = [graph.run(pictures(count), "c3")[0] for count in (1, 3)]
    for found, former in zip(again, expected, strict=True):
        np.testing.assert_array_equal(found, former)


def test_an_answer_outlives_the_release(graph: Graph) -> None:
    (answer,) = graph.run(pictures(2), "c3")
    former = answer.copy()
    graph.release()
    graph.run(pictures(3), "c3")

    np.testing.assert_array_equal(answer, former)


def test_it_may_be_released_while_others_ask(graph: Graph) -> None:
    (expected,) = graph.run(pictures(2), "c3")

    def ask(number: int) -> None:
        if number % 4 == 0:
            graph.release()
        np.testing.assert_array_equal(graph.run(pictures(2), "c3")[0], expected)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, range(40)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells it in /proc")
def test_openvino_gives_its_buffers_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    before, after = json.loads(done.stdout)

    assert before - after > 20
