"""What the documentation names is there: files, modules and what is imported from them, links."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP_FOLDERS = (
    *("app", "benchmarks", "blueprints", "custom_components", "docs", "examples", "scripts"),
    *("tests", "training", "veroallarme_core"),
)
FILES = frozenset(
    str(file.relative_to(ROOT))
    for files in (ROOT.iterdir(), *((ROOT / folder).rglob("*") for folder in TOP_FOLDERS))
    for file in files
    if file.is_file() and "__pycache__" not in file.parts
)
FOLDERS = frozenset(str(folder) for file in FILES for folder in Path(file).parents)
PAGES = sorted(file for file in FILES if file.endswith(".md"))
FOREIGN = {"export_onnx.py"}
"""Files of other projects that the documentation names."""
PACKAGES = {"veroallarme_core": "", "veroallarme_training": "training/", "benchmarks": ""}
"""Ours, and the folder that each lies in."""


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def missing_paths(text: str) -> list[str]:
    """Return the paths from the root of the checkout that lead nowhere."""
    paths = re.findall(rf"(?<![\w./-])(?:{'|'.join(TOP_FOLDERS)})(?:/[\w.-]+)+/?", text)
    # A sentence may end behind a path.
    return [path for path in paths if path.rstrip("./") not in FILES | FOLDERS]


def missing_sources(text: str) -> list[str]:
    """Return the names of Python files in code marks that no file of ours ends with."""
    names = set(re.findall(r"`([\w/]+\.py)`", text)) - FOREIGN
    return [name for name in names if not any(f"/{file}".endswith(f"/{name}") for file in FILES)]


def module_file(module: str) -> str | None:
    """Return the file of a module or a package of ours."""
    stem = PACKAGES[module.partition(".")[0]] + module.replace(".", "/")
    return next((file for file in (f"{stem}.py", f"{stem}/__init__.py") if file in FILES), None)


def names_in(file: str) -> set[str]:
    """Return what can be imported from a module, and what it may hand out lazily."""
    names = set()
    for node in ast.walk(ast.parse(text_of(file))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return names


def leads_somewhere(dotted: str) -> bool:
    """Tell whether a dotted name is a module of ours, or a name in one."""
    if module_file(dotted) is not None:
        return True
    module, _, name = dotted.rpartition(".")
    file = module_file(module) if module else None
    return file is not None and name in names_in(file)


def missing_names(text: str) -> list[str]:
    """Return the dotted names, imports and `python -m` of ours that do not resolve."""
    dotted = re.findall(rf"(?<![\w/.])((?:{'|'.join(PACKAGES)})(?:\.\w+)+)", text)
    for module, names in re.findall(r"^from (\w+(?:\.\w+)*) import ([\w, ]+)", text, re.M):
        if module.partition(".")[0] in PACKAGES:
            dotted += [f"{module}.{name.strip()}" for name in names.split(",")]
    return [name for name in dotted if not leads_somewhere(name)]


def anchors_of(page: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(page), flags=re.S), re.M)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def broken_links(page: str, text: str) -> list[str]:
    """Return the links in the text of a page to files or headings that are not there."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        name = str(file.resolve().relative_to(ROOT))
        is_page_with_anchor = anchor and name.endswith(".md") and name in FILES
        if name not in FILES | FOLDERS or (is_page_with_anchor and anchor not in anchors_of(name)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    text = text_of(page)
    assert missing_paths(text) == []
    assert missing_sources(text) == []
    assert missing_names(text) == []
    assert broken_links(page, text) == []


def test_what_moved_away_is_noticed() -> None:
    assert missing_paths("see `veroallarme_core/nowhere/at_all.py`.") == [
        "veroallarme_core/nowhere/at_all.py"
    ]
    assert missing_paths("see `veroallarme_core/cli.py`.") == []
    assert missing_sources("`judgement/nowhere.py` and `judgement/rules.py`") == [
        "judgement/nowhere.py"
    ]
    assert missing_names("`veroallarme_core.pictures.Nothing`") == [
        "veroallarme_core.pictures.Nothing"
    ]
    assert missing_names("from veroallarme_core.pictures import Nothing, read_frame") == [
        "veroallarme_core.pictures.Nothing"
    ]
    assert missing_names("    python -m benchmarks.nothing") == ["benchmarks.nothing"]
    links = "[a](learning.md) [b](nowhere.md) [c](learning.md#nowhere) [d](#nowhere) [e](https://x)"
    assert broken_links("docs/README.md", links) == [
        "nowhere.md",
        "learning.md#nowhere",
        "#nowhere",
    ]


# --- the threats of docs/security.md ------------------------------------------------------------

THREATS = [
    line.split(" | ")
    for line in text_of("docs/security.md").partition("## Threats")[2].splitlines()
    if line.startswith("| ") and not line.startswith("| who | what")
]


def test_every_threat_names_tests_that_are_there():
    threats = [cells for cells in THREATS if "`tests/" in cells[-1]]
    assert len(threats) > 10
    for cells in threats:
        assert len(cells) == 4, cells
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cells[-1])
        assert named, cells
        for file, test in named:
            tree = ast.parse(text_of(file))
            defined = {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert test in defined, f"{file} has no {test}"


def test_no_line_of_the_threats_goes_without_a_test():
    table = text_of("docs/security.md").partition("## Threats")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert all("::test_" in row for row in rows)
