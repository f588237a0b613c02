"""The three parts and the rooms of the core keep apart: who may import whom, and what loads when.

Home Assistant's container can install neither torch nor OpenCV, and the worker runs where there is
no Home Assistant; one import in the wrong direction breaks either of them for every user. Among the
rooms imports run from above to below, and from outside a room to its `__init__` alone.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FORBIDDEN_ANYWHERE = {
    "veroallarme_core": {"custom_components", "homeassistant", "veroallarme_training"},
    "custom_components": {"cv2", "numpy", "torch", "veroallarme_core", "veroallarme_training"},
    "training": {"custom_components", "homeassistant"},
}
FORBIDDEN_AT_IMPORT_TIME = {
    "veroallarme_core": {"torch", "torchvision"},
}
IMPORT_LINE = re.compile(r"^ *(?:from|import) +(\w+)", re.MULTILINE)
DEMO_EXTRA = ("amqtt", "rich")
TORCH_MODULES = {
    f"veroallarme_core.relevance_mask.{name}"
    for name in ("checkpoints", "networks", "weight_files")
}
"""Modules that are torch through and through; no other module may import them when it loads."""
ROOMS = (
    "files",
    "contract",
    "drawing",
    "pictures",
    "inference",
    "motion_detection.damage",
    "motion_detection",
    "description",
    "camera_memory",
    "judgement",
    "zone_suggestions",
    "pipeline",
    "relevance_mask",
    "adaptation",
    "worker.clock",
    "worker.process_memory",
    "worker.motion_sources",
    "worker.onvif",
    "worker.storage",
    "worker.snapshots",
    "worker.config",
    "worker.complaints",
    "worker.changes",
    "worker.mqtt",
    "worker.camera",
    "worker.nightly",
    "worker.history",
    "worker.discovery",
    "worker.web",
    "worker.page.shell",
    "worker.page.pages",
    "worker.page",
    "worker",
    "commands",
    "demo",
    "cli",
    "__main__",
)
"""The rooms of the core from the ground up: a room imports those before it, never one after it."""
KNOWN_VIOLATIONS = ROOT / "tests" / "import_violations.txt"
"""What is still to be mended, a line each; renewed by running this file as a program."""


def imported_packages(node: ast.AST) -> Iterator[str]:
    """Yield the top-level package of each absolute import that `node` itself makes."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module.partition(".")[0]


def is_type_checking_block(node: ast.AST) -> bool:
    """Tell whether `node` is an `if TYPE_CHECKING:`, whose body never runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in {
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
    }


def nodes_run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run when the module does: no function bodies, no typing-only blocks."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    yield node
    children = node.orelse if is_type_checking_block(node) else ast.iter_child_nodes(node)
    for child in children:
        yield from nodes_run_on_import(child)


def packages_imported_anywhere(tree: ast.Module) -> set[str]:
    """Return the top-level packages that the module ever imports."""
    return {name for node in ast.walk(tree) for name in imported_packages(node)}


def packages_imported_at_import_time(tree: ast.Module) -> set[str]:
    """Return the top-level packages that importing the module imports."""
    return {name for node in nodes_run_on_import(tree) for name in imported_packages(node)}


def dotted_name(source: Path) -> str:
    """Return the dotted name of a module by its file."""
    return ".".join(source.relative_to(ROOT).with_suffix("").parts)


def core_modules() -> list[str]:
    """Return the dotted name of every module of the core that anybody may load.

    `__main__` modules start a program, and the torch modules need the training extra.
    """
    sources = sorted((ROOT / "veroallarme_core").rglob("*.py"))
    names = map(dotted_name, sources)
    names = (name.removesuffix(".__init__") for name in names if not name.endswith(".__main__"))
    return [name for name in names if name not in TORCH_MODULES]


def run_python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `program` in a fresh interpreter, from the root of the checkout."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("source", "anywhere", "at_import_time"),
    [
        ("import torch.nn as nn", {"torch"}, {"torch"}),
        ("from torch import nn", {"torch"}, {"torch"}),
        ("from . import torch", set(), set()),
        ("def f():\n    import torch", {"torch"}, set()),
        ("class C:\n    import torch", {"torch"}, {"torch"}),
        ("try:\n    import torch\nexcept ImportError:\n    pass", {"torch"}, {"torch"}),
        ("if TYPE_CHECKING:\n    import torch\nelse:\n    import cv2", {"torch", "cv2"}, {"cv2"}),
    ],
)
def test_finds_imports_where_they_stand(
    source: str, anywhere: set[str], at_import_time: set[str]
) -> None:
    tree = ast.parse(source)
    assert packages_imported_anywhere(tree) == anywhere
    assert packages_imported_at_import_time(tree) == at_import_time


def test_no_part_imports_what_it_must_not() -> None:
    violations = []
    for part, forbidden in FORBIDDEN_ANYWHERE.items():
        for source in sorted((ROOT / part).rglob("*.py")):
            text = source.read_text(encoding="utf-8")
            if part == "custom_components":
                # Written for the Python of Home Assistant, whose syntax this one may not know.
                found = set(IMPORT_LINE.findall(text)) & forbidden
                violations += [f"{source.relative_to(ROOT)} imports {name}" for name in found]
                continue
            tree = ast.parse(text)
            found = packages_imported_anywhere(tree) & forbidden
            if dotted_name(source) not in TORCH_MODULES:
                found |= packages_imported_at_import_time(tree) & FORBIDDEN_AT_IMPORT_TIME.get(
                    part, set()
                )
            violations += [f"{source.relative_to(ROOT)} imports {name}" for name in sorted(found)]
    assert violations == []


def test_importing_the_whole_core_loads_nothing_forbidden() -> None:
    modules = core_modules()
    assert "veroallarme_core" in modules
    forbidden = sorted(
        FORBIDDEN_ANYWHERE["veroallarme_core"] | FORBIDDEN_AT_IMPORT_TIME["veroallarme_core"]
    )
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1].split(): importlib.import_module(name)\n"
        "print(*sorted(set(sys.argv[2].split()) & sys.modules.keys()))"
    )
    finished = run_python(program, " ".join(modules), " ".join(forbidden))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == []


def test_the_worker_needs_no_demo_extra() -> None:
    modules = [name for name in core_modules() if "demo" not in name.split(".")]
    program = (
        "import importlib, sys\n"
        "sys.modules.update(dict.fromkeys(sys.argv[2].split()))  # None: import raises\n"
        "for name in sys.argv[1].split(): importlib.import_module(name)"
    )
    finished = run_python(program, " ".join(modules), " ".join(DEMO_EXTRA))
    assert finished.returncode == 0, finished.stderr


def test_the_worker_begins_without_what_cameras_over_onvif_and_rtsp_need() -> None:
    """Both are extras; nothing of them is loaded before a camera needs it."""
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(sys.argv[1].split()))  # None: import raises\n"
        "import veroallarme_core.cli, veroallarme_core.worker.service\n"
        "import veroallarme_core.worker.config, veroallarme_core.worker.onvif"
    )
    finished = run_python(program, "av lxml onvif zeep")
    assert finished.returncode == 0, finished.stderr


def production_sources() -> dict[str, Path]:
    """Return the files that make the product and its training, by dotted module name."""
    folders = (ROOT / "veroallarme_core", ROOT / "training")
    sources = [source for folder in folders for source in sorted(folder.rglob("*.py"))]
    return {dotted_name(source).removesuffix(".__init__"): source for source in sources}


def core_imports(source: Path, modules: Iterable[str]) -> set[str]:
    """Return the modules of the core that a file imports anywhere, also in a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{source}: a relative import, which nothing here counts"
            # A module may be imported by name out of its package.
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found.update(name if name in modules else node.module for name in names)
    return {name for name in found if name.partition(".")[0] == "veroallarme_core"}


def room_of(module: str) -> str:
    """Return the innermost room of a module of the core; its entry points are their own."""
    inside = module.removeprefix("veroallarme_core.")
    rooms = [room for room in ROOMS if f"{inside}.".startswith(f"{room}.")]
    assert rooms, f"{module} is in no room: add its folder to ROOMS"
    return max(rooms, key=len)


def breaks_order(importer: str, imported: str) -> bool:
    """Tell whether a module of the core imports one of a room above its own."""
    if "veroallarme_core" in {importer, imported} or not importer.startswith("veroallarme_core."):
        return False
    return ROOMS.index(room_of(imported)) > ROOMS.index(room_of(importer))


def breaks_front_door(importer: str, imported: str, packages: Iterable[str]) -> bool:
    """Tell whether a module reaches past the front door of a room that it is not in."""
    room = imported.rpartition(".")[0]
    is_front_door = imported in packages or room in {"", "veroallarme_core"}
    return not is_front_door and not f"{importer}.".startswith(f"{room}.")


def room_violations() -> set[str]:
    """Return every import that goes up, or past a front door, as a line."""
    sources = production_sources()
    packages = {name for name, source in sources.items() if source.name == "__init__.py"}
    violations: set[str] = set()
    for importer, source in sources.items():
        for imported in core_imports(source, sources):
            if breaks_order(importer, imported):
                violations.add(f"upwards: {importer} -> {imported}")
            if breaks_front_door(importer, imported, packages):
                violations.add(f"past the front door: {importer} -> {imported}")
    return violations


@pytest.mark.parametrize(
    ("importer", "imported", "upwards", "past"),
    [
        ("pictures.frames", "contract", False, False),
        ("contract.verdict", "pictures", True, False),
        ("pictures.frames", "pictures.annotate", False, False),
        ("pictures.frames", "contract.verdict", False, True),
        ("contract.verdict", "pictures.frames", True, True),
        ("pictures.frames", "pipeline", True, False),
        ("worker.camera.alarm", "worker.mqtt", False, False),
        ("worker.camera.alarm", "worker.service", True, False),
        ("worker.mqtt.listen", "worker.camera.alarm", True, True),
        ("worker.service", "worker.mqtt.listen", False, True),
        ("cli", "worker.config", False, False),
    ],
)
def test_knows_an_import_that_goes_astray(
    importer: str, imported: str, upwards: bool, past: bool
) -> None:
    importer, imported = f"veroallarme_core.{importer}", f"veroallarme_core.{imported}"
    packages = {f"veroallarme_core.{room}" for room in ROOMS}
    assert breaks_order(importer, imported) == upwards
    assert breaks_front_door(importer, imported, packages) == past


def test_every_folder_of_the_core_is_a_room() -> None:
    packages = {
        name.removeprefix("veroallarme_core.")
        for name, source in production_sources().items()
        if source.name == "__init__.py" and name.startswith("veroallarme_core.")
    }
    assert packages == {
        room for room in ROOMS if (ROOT / "veroallarme_core" / room.replace(".", "/")).is_dir()
    }


def test_rooms_are_entered_from_above_and_by_the_front_door() -> None:
    known = set(KNOWN_VIOLATIONS.read_text(encoding="utf-8").splitlines())
    found = room_violations()
    assert sorted(found - known) == [], "new: import from the room's `__init__`, and never upwards"
    assert sorted(known - found) == [], f"mended: take these out of {KNOWN_VIOLATIONS.name}"


if __name__ == "__main__":
    print(*sorted(room_violations()), sep="\n")
