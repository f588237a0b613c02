"""The object detector in 8 bits, for OpenVINO: a third of the time of 32.

    veroallarme-train quantise --models veroallarme_core/models

Calibrated on drawn scenes, which are free. The first convolution and those that answer stay as they
are: there 8 bits cost most and save least. Weights keep a bit in reserve, so that processors with
and without instructions for 8 bits (VNNI) answer the same. Before anything is put in its place the
scores are compared with those of the detector as it was.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description import (
    DETECTOR_CROP_PX,
    DETECTOR_FILE,
    DETECTOR_FRAME_PX,
    INT8_DETECTOR_FILE,
    SCORES,
    ObjectDetector,
    square_for_detector,
)
from veroallarme_core.drawing import draw_events
from veroallarme_core.files import put_in_place
from veroallarme_core.inference import OPENVINO, ModelError, load_openvino, open_graph
from veroallarme_core.pictures import DecodedFrame
from veroallarme_core.pipeline import find_motion
from veroallarme_training.conversion_command import run_conversion

LARGEST_CHANGE = 0.05
"""Of the largest score in a picture, on average over drawn pictures; measured: 0.02."""

_REGIONS_OF_A_SCENE = 2
_HELD_OUT = 4  # every fourth picture is kept from the calibration
_ANSWERING = 80 + 4 * 11  # channels of the convolutions that answer: scores and bins of a cell

Picture = NDArray[np.float32]
"""float32 (1, 3, H, W) BGR, 0 to 255: what the network takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `veroallarme-train quantise`."""
    parser.add_argument(
        "--models",
        type=Path,
        required=True,
        metavar="DIR",
        help=f"folder of {DETECTOR_FILE}; {INT8_DETECTOR_FILE} is written beside it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Quantise as the options say, print what was written, and return the exit status."""
    return run_conversion(
        "quantise",
        arguments.models,
        lambda: quantise_detector(arguments.models),
        trouble="cannot be read or written",
    )


def quantise_detector(models: Path) -> list[str]:
    """Write the detector of a folder in 8 bits beside it, after it was compared.

    Returns:
        Size and change of the scores, a line each, for people.

    Raises:
        ModelError: NNCF is missing, or the scores change too much.
        OSError: a file cannot be read or written.
    """
    source = models / DETECTOR_FILE
    detector = ObjectDetector(OPENVINO, path=source)
    pictures = list(_pictures(detector))
    held_out = pictures[::_HELD_OUT]
    calibration = [picture for n, picture in enumerate(pictures) if n % _HELD_OUT]
    quantised = _quantised(source, calibration)
    with tempfile.TemporaryDirectory(dir=models, prefix=".int8-") as folder:
        written = Path(folder, INT8_DETECTOR_FILE)
        load_openvino().save_model(quantised, written)
        change = _change(source, written, held_out)
        if not change <= LARGEST_CHANGE:
            raise ModelError(
                f"The scores of the detector in 8 bits change by {change:.3f} on average, more "
                f"than {LARGEST_CHANGE}: nothing was written; try another version of NNCF."
            )
        weights = written.with_suffix(".bin")
        size = sum(path.stat().st_size for path in (written, weights))
        for path in (weights, written):
            put_in_place(path, models / path.name)
    return [
        f"8 bits: the largest score changes by {change:.3f} on average over {len(held_out)} "
        "pictures that the calibration has not seen",
        f"{models / INT8_DETECTOR_FILE}: {size / 1e6:.2f} MB",
    ]


def _pictures(detector: ObjectDetector) -> Iterator[Picture]:
    """Yield what the detector is given of the drawn scenes: whole frames, and squares in them."""
    for scene in draw_events():
        motion = find_motion([DecodedFrame(frame) for frame in scene.frames])
        squares = [
            square_for_detector(region, motion.frame_dimensions)
            for region in motion.motion_regions[:_REGIONS_OF_A_SCENE]
        ]
        for frame in scene.frames:
            yield detector.network_input([frame], DETECTOR_FRAME_PX)
            for x1, y1, x2, y2 in squares:
                crop = np.ascontiguousarray(frame[y1:y2, x1:x2])
                yield detector.network_input([crop], DETECTOR_CROP_PX)


def _quantised(source: Path, pictures: Sequence[Picture]) -> Any:
    openvino = load_openvino()  # first: it keeps telemetry out, of NNCF too
    try:
        import nncf
    except ImportError as error:
        raise ModelError("quantise needs NNCF: run `pip install nncf openvino`.") from error
    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(source)
    convolutions = [
        node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"
    ]
    kept = [convolutions[0], *(node for node in convolutions if _channels(node) == _ANSWERING)]
    quantised = nncf.quantize(
        model,
        nncf.Dataset(pictures),
        subset_size=len(pictures),
        ignored_scope=nncf.IgnoredScope(names=[node.get_friendly_name() for node in kept]),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.ENABLE
        ),
    )
    path = ["framework", "version"]
    quantised.set_rt_info(f"{model.get_rt_info(path).value}-int8", path)
    return quantised


def _channels(node: Any) -> int:
    channels: int = node.get_output_partial_shape(0)[1].get_length()
    return channels


def _change(source: Path, written: Path, pictures: Sequence[Picture]) -> float:
    before, after = (open_graph(OPENVINO, path, None, remedy="") for path in (source, written))
    changes = [
        abs(
            float(before.run(picture, SCORES)[0].max()) - float(after.run(picture, SCORES)[0].max())
        )
        for picture in pictures
    ]
    return float(np.mean(changes))
