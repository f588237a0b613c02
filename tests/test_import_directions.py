"""The three parts keep apart: who may import whom, and what may load when.

Home Assistant's container can install neither torch nor OpenCV, and the worker runs where there is
no Home Assistant; one import in the wrong direction breaks either of them for every user.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
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
