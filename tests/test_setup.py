"""scripts/setup makes its environment in its own checkout, and installs nowhere else."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 120

# Notes for which Python it installs what, in the place of installing it.
PIP = """
import sys
with open({log!r}, "a") as log:
    print(sys.prefix, *sys.argv[1:], file=log)
"""
# Makes an environment whose pip is the one above, and else is the Python that runs the tests.
PYTHON = """#!/bin/sh
if [ "$1 $2" != "-m venv" ]; then exec "{python}" "$@"; fi
for place; do :; done
"{python}" -m venv --clear --without-pip "$place" && cp "{pip}" "$place"/lib/python*/site-packages
"""
# The Python of an environment that is none any more: what it installs goes elsewhere.
STRAY = """#!/bin/sh
if [ "$1 $2" = "-m pip" ]; then echo "elsewhere $*" >>"{log}"; exit; fi
exec "{python}" "$@"
"""
# Makes an environment with that Python.
WRONG = """#!/bin/sh
if [ "$1 $2" != "-m venv" ]; then exec "{python}" "$@"; fi
for place; do :; done
mkdir -p "$place/bin" && cp "{stray}" "$place/bin/python"
"""


@dataclass(frozen=True)
class Checkout:
    """A checkout with nothing but what `scripts/setup` reads."""

    folder: Path
    python: Path
    installations: Path

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    def set_up(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(self.folder / "scripts" / "setup"), "demo"],
            env=os.environ | {"PYTHON": str(self.python)},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )

    def installed(self) -> list[str]:
        """Return one line for each call of pip: the Python that it ran in, and what it was told."""
        return self.installations.read_text().splitlines() if self.installations.exists() else []


def write_script(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder, log = tmp_path / "checkout", tmp_path / "pip.log"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup", folder / "scripts")
    (folder / "pyproject.toml").write_text("[project]\n")
    (folder / "constraints-demo.txt").write_text("numpy==1.0 --hash=sha256:00\n")
    pip = tmp_path / "pip.py"
    pip.write_text(PIP.format(log=str(log)))
    python = write_script(tmp_path / "python", PYTHON.format(python=sys.executable, pip=pip))
    return Checkout(folder, python, log)


def assert_installed_into_it(checkout: Checkout) -> None:
    places = {line.partition(" ")[0] for line in checkout.installed()}
    assert places == {str(checkout.venv)}
    assert any(" install " in line for line in checkout.installed())


def test_a_new_environment_is_made_once(checkout: Checkout) -> None:
    done = checkout.set_up()
    assert done.returncode == 0, done.stderr
    assert_installed_into_it(checkout)
    before = checkout.installed()

    assert checkout.set_up().returncode == 0
    assert checkout.installed() == before


def test_a_linked_environment_is_refused_and_left_as_it_is(
    checkout: Checkout, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "bin").mkdir(parents=True)
    (other / "kept").touch()
    checkout.venv.symlink_to(other)

    done = checkout.set_up()

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"{checkout.venv} is a symbolic link; remove the link" in done.stderr
    assert sorted(path.name for path in other.iterdir()) == ["bin", "kept"]
    assert checkout.installed() == []


def test_a_link_that_leads_nowhere_is_refused(checkout: Checkout, tmp_path: Path) -> None:
    checkout.venv.symlink_to(tmp_path / "gone")

    assert checkout.set_up().returncode == 1
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("with_settings", [False, True], ids=["without pyvenv.cfg", "with it"])
@pytest.mark.parametrize("with_stamp", [False, True], ids=["unfinished", "finished"])
def test_an_environment_whose_python_installs_elsewhere_is_made_anew(
    checkout: Checkout, with_settings: bool, with_stamp: bool
) -> None:
    assert checkout.set_up().returncode == 0
    python = checkout.venv / "bin" / "python"
    python.unlink()
    stray = STRAY.format(log=checkout.installations, python=os.path.realpath(sys.executable))
    write_script(python, stray)
    if not with_settings:
        (checkout.venv / "pyvenv.cfg").unlink()
    if not with_stamp:
        (checkout.venv / "veroallarme-setup.stamp").unlink()
    checkout.installations.unlink()

    done = checkout.set_up()

    assert done.returncode == 0, done.stderr
    assert (checkout.venv / "pyvenv.cfg").is_file()
    assert_installed_into_it(checkout)


def test_nothing_is_installed_where_the_environment_cannot_be_made(
    checkout: Checkout, tmp_path: Path
) -> None:
    stray = STRAY.format(log=checkout.installations, python=sys.executable)
    write_script(tmp_path / "stray", stray)
    write_script(checkout.python, WRONG.format(python=sys.executable, stray=tmp_path / "stray"))

    done = checkout.set_up()

    assert done.returncode == 1
    assert f"does not run as the Python of {checkout.venv}" in done.stderr
    assert checkout.installed() == []
