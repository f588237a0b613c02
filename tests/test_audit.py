"""Known weaknesses, licences, and what a release is made of."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|HPND|Historical Permission|Zlib|"
    r"MPL-2\.0|Mozilla Public License 2|Unlicense|0BSD|CC0|EPL|Eclipse)\b",
    re.IGNORECASE,
)
"""MPL and EPL bind changes of their own files alone, of which we make none."""
COPYLEFT = re.compile(r"\b(A?GPL|LGPL|GNU|SSPL|Proprietary|Commercial)\b", re.IGNORECASE)
KNOWN = {
    # Its wheel holds FFmpeg and Qt under the LGPL as libraries of their own, as that wants it.
    "opencv-python-headless": "Apache",
}


def closure(*names: str) -> dict[str, Distribution]:
    """Return what installing these brings along on this machine."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        try:
            one = distribution(requirement.name)
        except PackageNotFoundError:
            continue  # of another platform
        is_new = one.name not in found
        found[one.name] = one
        for line in one.requires or () if is_new or requirement.extras else ():
            wanted = Requirement(line)
            extras = requirement.extras or {""}
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(wanted)
    return found


def licence_of(one: Distribution) -> str:
    """Return what a distribution says of its licence, the expression before the classifiers."""
    metadata = one.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or ()
        if line.startswith("License ::")
    ]
    return "; ".join(classifiers) or str(metadata.get("License", "")).splitlines()[0]


def test_everything_that_is_installed_with_us_may_be_given_on():
    found = closure("veroallarme", "onvif-zeep-async", "zeep[async]")  # as in the app's image
    assert {"veroallarme", "aiohttp", "lxml", "numpy", "pillow", "yarl"} <= {
        name.lower() for name in found
    }
    licences = {name: licence_of(one) for name, one in found.items()}
    for name, licence in licences.items():
        known = KNOWN.get(name, licence)
        # "A OR B" leaves the choice to us.
        choices = re.split(r"\bOR\b", known)
        assert any(
            PERMISSIVE.search(choice) and not COPYLEFT.search(choice) for choice in choices
        ), f"{name}: {licence}"


@pytest.mark.parametrize(
    ("text", "is_fine"),
    [("GPL-3.0-only", False), ("MIT", True), ("AGPL-3.0", False), ("", False), ("Limited", False)],
)
def test_the_check_of_licences_can_fail(text, is_fine):
    assert bool(PERMISSIVE.search(text) and not COPYLEFT.search(text)) is is_fine


# --- scripts/audit, with tools that stand where pip-audit and cyclonedx-bom do --------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What scripts/audit needs, with an environment that is set up already."""
    for name in (
        "scripts/audit",
        "constraints.txt",
        "constraints-audit.txt",
        "app/constraints.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / ".venv-audit" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").symlink_to(sys.executable)
    shutil.copy(ROOT / "constraints-audit.txt", tools.parent / "veroallarme-audit.stamp")
    return tmp_path


def audit(checkout: Path, answers: dict[str, object] | str) -> subprocess.CompletedProcess[str]:
    tool = checkout / ".venv-audit" / "bin" / "pip-audit"
    answer = answers if isinstance(answers, str) else json.dumps(answers)
    tool.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"open(sys.argv[sys.argv.index('--output') + 1], 'w').write({answer!r})\nsys.exit(1)\n"
    )
    tool.chmod(0o700)
    environment = {**os.environ, "PYTHON": "/bin/false"}
    return subprocess.run(
        [checkout / "scripts" / "audit"],
        capture_output=True, text=True, check=False, env=environment, timeout=60,
    )  # fmt: skip


WEAK = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
FINE = {"name": "b", "version": "1", "vulns": []}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        ({"dependencies": [FINE]}, 0, "app/constraints.txt: no weakness is known"),
        ({"dependencies": [FINE, WEAK]}, 1, "a 1: CVE-1, mended in 2"),
        ({"dependencies": [FINE, UNKNOWN]}, 0, "NOTE: the index knows nothing of c"),
        ({"dependencies": [UNKNOWN]}, 0, "NOTE: app/constraints.txt was not looked at"),
        ("", 0, "NOTE: constraints.txt was not looked at"),
    ],
)
def test_weaknesses_fail_and_an_index_that_is_away_does_not(checkout, answers, code, said):
    done = audit(checkout, answers)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


def test_without_a_package_index_there_is_a_note(checkout):
    shutil.rmtree(checkout / ".venv-audit")
    done = audit_without_tools(checkout)
    assert done.returncode == 0
    assert "NOTE: no advisories were asked for" in done.stderr


def audit_without_tools(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "audit"],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHON": "/bin/false"},
    )  # fmt: skip
