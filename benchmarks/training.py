"""Training throughput in crops per second, for each phase.

    python -m benchmarks.training
    python -m benchmarks.training --device cpu --steps 8 --batch-size 16 --threads 2

A crop is one (3, 224, 224) input that goes forwards and backwards through the network; the phase
`contrastive` sends four of them per event. Reading and cutting are measured apart, in one process:
where they are slower than the network, `num_workers` hides them. The first step warms up and is
not counted. Medians over steps.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import cv2
import torch
from torch.utils.data import default_collate

from veroallarme_core.relevance_mask import RelevanceMaskModel
from veroallarme_training.config import TrainingConfig, from_dict
from veroallarme_training.phase_run import amp_type, make_optimizer, on_device
from veroallarme_training.phases import PHASES, Phase, make_phase
from veroallarme_training.ranks import Ranks
from veroallarme_training.training_data import load_training_data
from veroallarme_training.training_run import choose_device


def main() -> None:
    """Measure every phase and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--batch-size", type=int, default=16, help="items per step")
    parser.add_argument("--steps", type=int, default=5, help="steps that are measured")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: its choice")
    parser.add_argument("--data-dir", help="folder of events; default: drawn scenes only")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    device = choose_device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        config = from_dict(
            {
                "data_dir": options.data_dir,
                "output_dir": folder,
                "batch_size": options.batch_size,
                "pretrained_backbone": False,
                "teacher": {"drawn_seeds": 2},
            }
        )
        data = load_training_data(config)
        print(f"{device}, torch {torch.__version__}, {torch.get_num_threads()} threads, ", end="")
        print(f"batches of {options.batch_size}, mixed precision: {amp_type(config, device)}")
        print(f"{'phase':<13}{'crops/s':>9}{'ms/step':>9}{'cutting items/s':>17}")
        for name in PHASES["all"]:
            phase = make_phase(name, config, data, Ranks(), device)
            measure(phase, config, options.steps)


def measure(phase: Phase, config: TrainingConfig, steps: int) -> None:
    """Measure one phase and print its row."""
    size = config.batch_size
    batches, cutting_s = [], []
    for step in range(steps + 1):
        numbers = [(step * size + i) % len(phase.training) for i in range(size)]
        items, seconds = timed(lambda: [phase.training[i] for i in numbers])  # noqa: B023
        cutting_s.append(seconds)
        batches.append(on_device(default_collate(items), phase.device))
    model = RelevanceMaskModel(mode=phase.mode).to(phase.device).train()
    optimizer = make_optimizer(config, model, config.learning_rate)
    amp = amp_type(config, phase.device)

    def step_once(batch: Any) -> int:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=amp or torch.float32, enabled=amp is not None):
            loss, crops = phase.loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if phase.device.type == "cuda":
            torch.cuda.synchronize()
        return crops

    results = [timed(lambda: step_once(batch)) for batch in batches][1:]  # noqa: B023
    step_s = statistics.median(seconds for _, seconds in results)
    print(
        f"{phase.name:<13}{results[0][0] / step_s:>9.1f}{1e3 * step_s:>9.0f}"
        f"{size / statistics.median(cutting_s):>17.0f}"
    )


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what `work` returns, and the seconds it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


if __name__ == "__main__":
    main()
