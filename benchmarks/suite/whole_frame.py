"""The peer that needs torch: the whole frame at 224x224 through ResNet-18, as the original did."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.event import EVENTS, SIZES, drawn_events
from benchmarks.suite.figures import Figure, figure_of_rounds
from benchmarks.suite.judging import QUICK_EVENTS, take_turns
from benchmarks.suite.peers import Frames, decode
from benchmarks.suite.plan import Part, Plan

NAME = "whole frame through ResNet-18 in torch"


def measure(plan: Plan) -> Part:
    """Measure it on drawn events, or say that there is no torch."""
    for package in ("torch", "torchvision"):
        if importlib.util.find_spec(package) is None:
            return Part(notes=(f"{NAME}: {package} is not installed here, nothing was measured.",))
    cv2.setNumThreads(1)
    figures: list[Figure] = []
    for height, width in SIZES[:1] if plan.quick else SIZES:
        events = drawn_events((height, width), QUICK_EVENTS if plan.quick else EVENTS)
        figures.append(_figure(plan, events, f"{width}x{height}"))
    return Part(tuple(figures))


def _figure(plan: Plan, events: Sequence[Frames], where: str) -> Figure:
    import torch
    from torchvision.models import resnet18

    torch.set_num_threads(1)
    network = resnet18(weights=None).eval()  # Speed does not depend on the weights.

    def judge(frames: Frames) -> object:
        middle = decode(frames)[len(frames) // 2]
        small = cv2.resize(middle, (224, 224), interpolation=cv2.INTER_LINEAR)
        image = np.ascontiguousarray(small.transpose(2, 0, 1), np.float32)[None] / 255
        with torch.inference_mode():
            return network(torch.from_numpy(image))

    measured = take_turns(plan, {"decoding": decode, NAME: judge}, events)
    return figure_of_rounds(f"{NAME}, {where}", "ms", measured[NAME], measured["decoding"])
