"""How easily a stranger finds the way through the core; prints a Markdown table.

    python -m benchmarks.rooms
    PYTHONPATH=../another-checkout python benchmarks/rooms.py

The second form counts another checkout, also one from before there were rooms. Modules, classes and
imports are read from the source. The way of an event is counted with the interpreter's profiler
while a drawn burst is judged, and while a worker between a real mosquitto and a camera over HTTP
handles a motion message, up to the verdict. "Returns" are the different steps from one file into
another that the way had already left; a loop over regions does not count them again.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib
import os
import re
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import numpy as np

import veroallarme_core
from benchmarks.peers import HttpCamera, Listener, Mosquitto

CORE = Path(veroallarme_core.__file__).resolve().parent
INTEGRATION = CORE.parent / "custom_components" / "veroallarme"
PACKAGE = "veroallarme_core"
NOT_ONE_REGION = ("Bank", "Labels", "Error", "Regions")
"""Endings of classes that are named after regions and hold many, or none."""
LIMIT_S = 60.0


# --- what the source says ---------------------------------------------------------------------


@cache
def sources() -> dict[str, ast.Module]:
    """Return every module of the core, parsed, by its dotted name."""
    found = {}
    for path in sorted(CORE.rglob("*.py")):
        name = ".".join(path.relative_to(CORE.parent).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield each class of the core with the name of its module."""
    for module, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                yield module, node


def longest_class(folder: Path) -> str:
    """Name the class with the most methods.

    By the indentation: the integration is written for a Python whose syntax this one may not know.
    """
    methods: Counter[str] = Counter()
    for path in sorted(folder.rglob("*.py")):
        current = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if (start := re.match(r"class (\w+)", line)) is not None:
                current = f"{start[1]} in {path.relative_to(folder.parent)}"
            elif re.match(r"\w", line):
                current = ""
            elif current and re.match(r" {4}(async )?def ", line):
                methods[current] += 1
    ((name, count),) = methods.most_common(1)
    return f"{count} methods ({name})"


def longest_module(folder: Path) -> str:
    """Name the file with the most lines."""
    counted = [
        (len(path.read_text(encoding="utf-8").splitlines()), str(path.relative_to(folder.parent)))
        for path in folder.rglob("*.py")
    ]
    count, name = max(counted)
    return f"{count} lines ({name})"


def region_types() -> str:
    """Name the classes that describe one region."""
    names = sorted(
        {
            node.name
            for _, node in classes()
            if "Region" in node.name and not node.name.endswith(NOT_ONE_REGION)
        }
    )
    return f"{len(names)} ({', '.join(names)})"


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of what a module takes from the core when it is loaded."""
    for node in _loaded(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names if a.name.startswith(PACKAGE))


def _loaded(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run when a module is loaded."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _loaded(child)


def home_of(module: str, name: str) -> str:
    """Return the module that a name comes from, through front doors that only pass it on."""
    trees = sources()
    if f"{module}.{name}" in trees:
        return f"{module}.{name}"
    for origin, passed_on in imported_names(trees[module]):
        if passed_on == name and origin != module:
            return home_of(origin, name)
    return module


def floors() -> int:
    """Return the longest chain of modules of which each takes something from the next."""
    trees = sources()
    below = {
        module: {home_of(*pair) for pair in imported_names(tree)} - {module, PACKAGE}
        for module, tree in trees.items()
    }

    @cache
    def height(module: str) -> int:
        return 1 + max(map(height, below[module]), default=0)

    return max(height(module) for module in trees if module != PACKAGE)


# --- what happens to one event ----------------------------------------------------------------


@dataclass
class Way:
    """The functions of the core that run while it is watched, in every thread."""

    is_watched: bool = False
    is_over: bool = False
    files: list[str] = field(default_factory=list)
    """Those that were entered, in order, each once in a row."""
    returns: set[tuple[str, str]] = field(default_factory=set)
    """Steps (from file, to file) into one that had been left."""

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
        """Take note of a call, as `sys.setprofile` wants it."""
        file = frame.f_code.co_filename
        if not self.is_watched or event != "call" or not file.startswith(str(CORE)):
            return
        last = self.files[-1] if self.files else file
        if last != file and file in self.files:
            self.returns.add((last, file))
        if last != file or not self.files:
            self.files.append(file)

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Watch this thread, and those that it starts, until the block ends."""
        sys.setprofile(self.profile)
        threading.setprofile(self.profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{len(set(self.files))} files, {len(self.returns)} returns"


def burst() -> list[bytes]:
    """Draw something bright that crosses a still yard, as JPEG."""
    rng = np.random.default_rng(7)
    yard = cv2.GaussianBlur(rng.integers(60, 140, (240, 320, 3), dtype=np.uint8), (9, 9), 0)
    frames = []
    for x in (40, 120, 200):
        frame = yard + rng.integers(0, 3, yard.shape, dtype=np.uint8)
        frame[90:160, x : x + 30] = (230, 235, 240)
        frames.append(bytes(cv2.imencode(".jpg", frame)[1].tobytes()))
    return frames


def of_core(name: str) -> Any:
    """Import a class of the core from wherever it is defined."""
    (module,) = {module for module, node in classes() if node.name == name}
    return getattr(importlib.import_module(module), name)


def judged_event() -> Way:
    """Follow a burst through the pipeline, with the encoder that ships."""
    pipeline = of_core("EventPipeline").with_shipped_networks(None)
    settings, frames, way = of_core("CameraSettings")(), burst(), Way()
    pipeline.judge(frames, settings)  # what is loaded on first use is no part of the way
    with way.watch():
        way.is_watched = True
        pipeline.judge(frames, settings)
    return way


def handled_event() -> Way:
    """Follow a motion message through a worker, up to its verdict."""
    way = Way()
    with tempfile.TemporaryDirectory() as folder:
        ready = threading.Event()
        peers = threading.Thread(target=lambda: asyncio.run(_peers(Path(folder), ready, way)))
        peers.start()
        try:
            if not ready.wait(LIMIT_S):
                raise TimeoutError("the broker and the camera of the measurement did not start")
            from veroallarme_core.cli import main

            with way.watch():
                code = main(["run", "--config", str(Path(folder) / "veroallarme.yaml")])
            way.is_over = True
            if code:
                raise RuntimeError("the worker of the measurement did not run; it says why above")
        finally:
            peers.join(LIMIT_S)
    if not way.files:
        raise RuntimeError("the worker of the measurement gave no verdict")
    return way


async def _peers(folder: Path, ready: threading.Event, way: Way) -> None:
    """Be the broker, the camera and the reader of verdicts; then ask this process to end."""
    broker, camera = Mosquitto(folder), HttpCamera()
    camera.frames["front"] = burst()
    broker.start()
    try:
        async with camera.serve(), Listener(broker.port, ("veroallarme/#",)).listen() as listener:
            (folder / "veroallarme.yaml").write_text(_configuration(broker.port, camera))
            ready.set()
            try:
                await _two_events(broker.port, listener, way)
            finally:
                if not way.is_over:
                    os.kill(os.getpid(), signal.SIGTERM)
    finally:
        broker.kill()


async def _two_events(port: int, listener: Listener, way: Way) -> None:
    """Let the camera report motion twice; the second time is watched."""
    import aiomqtt

    await listener.until(lambda: listener.payloads("/status") or way.is_over, LIMIT_S)
    if way.is_over:
        return
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for number in (1, 2):
            way.is_watched = number == 2
            await client.publish("cam/front/motion", "ON", qos=1)
            await listener.until(lambda n=number: len(listener.payloads("/event")) >= n, LIMIT_S)
            way.is_watched = False
            await client.publish("cam/front/motion", "OFF", qos=1)
            await asyncio.sleep(1.0)


def _configuration(port: int, camera: HttpCamera) -> str:
    return f"""
mqtt: {{host: 127.0.0.1, port: {port}}}
learning: {{enabled: false}}
data_dir: data
state_dir: state
cameras:
  front:
    name: Front
    triggers: [{{topic: cam/front/motion, start: "ON", end: "OFF"}}]
    snapshot: {{url: "{camera.url("front")}"}}
    burst: {{spacing_s: 0.1}}
    settings: {{mode: filter, hold_s: 0.2}}
    reference_every_s: 0
    merge_window_s: 0
"""


def main() -> None:
    """Print the table."""
    top = [path for path in CORE.glob("*.py") if path.name != "__init__.py"]
    rows = {
        "modules at the top level": len(top),
        "modules": len(sources()),
        "rooms": sum((path / "__init__.py").is_file() for path in CORE.iterdir()),
        "longest class of the core": longest_class(CORE),
        "longest class of the integration": longest_class(INTEGRATION),
        "longest module of the core": longest_module(CORE),
        "longest module of the integration": longest_module(INTEGRATION),
        "floors of imports": floors(),
        "types that describe one region": region_types(),
        "way of a burst through the pipeline": judged_event(),
        "way of a motion message through the worker": handled_event(),
    }
    print("| measured | value |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
