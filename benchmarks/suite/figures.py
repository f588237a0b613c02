"""One measured figure with its noise, and all figures of a run with the machine they come from."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from veroallarme_core.files import atomic_text_file

FORMAT = 1
LIBRARIES = ("numpy", "opencv-python-headless", "openvino", "onnxruntime", "torch", "aiohttp")
"""Those whose version may change a figure."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The median over rounds, each of which measured everything once.

    Its spread is half the distance between the lowest and the highest round: what the same code
    gives on the same machine. Different events cost differently, which is no noise; `p95` tells it.
    """

    name: str
    unit: str
    median: float
    spread: float = 0.0
    p95: float | None = None
    times_decoding: float | None = None
    """The median over that of decoding the same frames in the same round."""
    times_decoding_spread: float | None = None
    more_is_better: bool = False


def figure_of_rounds(
    name: str,
    unit: str,
    rounds: Sequence[Sequence[float]],
    decoding: Sequence[Sequence[float]] | None = None,
) -> Figure:
    """Return the figure of some rounds of measurements.

    Args:
        name: what was measured.
        unit: of a measurement.
        rounds: measurements, at least one a round.
        decoding: for each round what decoding took, in the same unit.
    """
    medians = [float(np.median(measurements)) for measurements in rounds]
    ratios = None
    if decoding is not None:
        base = [float(np.median(measurements)) for measurements in decoding]
        ratios = [median / below for median, below in zip(medians, base, strict=True)]
    every = [value for measurements in rounds for value in measurements]
    return Figure(
        name=name,
        unit=unit,
        median=float(np.median(medians)),
        spread=_half_range(medians),
        p95=float(np.percentile(every, 95)),
        times_decoding=None if ratios is None else float(np.median(ratios)),
        times_decoding_spread=None if ratios is None else _half_range(ratios),
    )


def _half_range(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / 2


@dataclass(frozen=True, kw_only=True)
class Results:
    """All figures of a run."""

    measured_at: str
    machine: str
    clock: str
    """`cpu` or `wall`: what the times of judging and learning are taken by."""
    versions: Mapping[str, str]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    """What could not be measured, and why."""
    format: int = field(default=FORMAT)

    def to_json(self) -> str:
        """Return it as JSON, with as many digits as are worth something."""
        return json.dumps(_rounded(asdict(self)), indent=1) + "\n"

    @property
    def by_name(self) -> dict[str, Figure]:
        """The figures by what they are of."""
        return {figure.name: figure for figure in self.figures}


def read_results(path: Path) -> Results:
    """Read what a former run has written.

    Raises:
        ValueError: the file is none, or was written by another version of this.
        OSError: it cannot be read.
    """
    remedy = "delete it and run `python -m benchmarks`"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, not {FORMAT}")
        figures = tuple(Figure(**figure) for figure in content.pop("figures"))
        return Results(**content | {"notes": tuple(content["notes"])}, figures=figures)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no results that can be compared ({error}): {remedy}") from (
            error
        )


def write_results(results: Results, path: Path) -> None:
    """Write what `read_results` reads, in one step; its folder is made where there is none.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_text_file(path) as file:
        file.write(results.to_json())


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def results_of(figures: Sequence[Figure], notes: Sequence[str], clock: str) -> Results:
    """Return the figures of this run, with what they depend on."""
    return Results(
        measured_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine(),
        clock=clock,
        versions=versions(),
        figures=tuple(figures),
        notes=tuple(notes),
    )


def machine() -> str:
    """Name the processor and how many of its threads there are."""
    found = re.search(r"^model name\s*: (.+)$", _cpuinfo(), re.MULTILINE)
    name = " ".join((found[1] if found else platform.machine()).split())
    flags = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx_vnni") if flag in _cpuinfo()]
    return f"{name}, {os.cpu_count()} threads, {' '.join(flags) or 'no AVX2'}"


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # no Linux
        return ""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
