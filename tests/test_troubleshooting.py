"""What docs/troubleshooting.md quotes is what the code says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def texts_of_the_code() -> set[str]:
    """Return the texts in the code, with … where something is filled in."""
    texts = set()
    for source in (ROOT / "veroallarme_core").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (one.value if isinstance(one, ast.Constant) else "…" for one in node.values)
                texts.add("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return texts


TEXTS = texts_of_the_code()


def first_cells(heading: str) -> list[str]:
    """Return what stands in code marks in the first column of the tables below a heading."""
    sections = re.findall(rf"^## {heading}.*?\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert sections
    rows = [line.split(" | ")[0] for text in sections for line in text.splitlines()]
    return [cell for row in rows if row.startswith("| `") for cell in re.findall("`([^`]+)`", row)]


@pytest.mark.parametrize("line", first_cells("Log lines"))
def test_the_code_says_what_is_quoted(line):
    assert any(line in text for text in TEXTS)


@pytest.mark.parametrize("reason", first_cells("What the verdict's `reason` says"))
def test_the_reasons_are_those_of_the_code(reason):
    assert reason in TEXTS
