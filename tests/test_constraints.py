"""The lock files hold what pyproject.toml asks for, by version and hash, and no address."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK_FILES = (
    *("constraints.txt", "constraints-demo.txt", "app/constraints.txt"),
    "constraints-audit.txt",
)


def locked_entries(lock_file: str) -> dict[str, set[str]]:
    """Return the hashes of each locked requirement, e.g. `numpy==2.4.6`, of one lock file."""
    text = (ROOT / lock_file).read_text(encoding="utf-8")
    uncommented = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    entries = {}
    for entry in uncommented.replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split("--hash=")
        entries[requirement.strip()] = {digest.strip() for digest in hashes}
    return entries


def locked_versions(lock_file: str) -> dict[str, str]:
    """Return the version of each package that the lock file installs on this interpreter."""
    requirements = map(Requirement, locked_entries(lock_file))
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def declared_requirements(*extras: str, build: bool) -> list[Requirement]:
    """Return the base's requirements of pyproject.toml, those for `extras`, and the build's."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = list(pyproject["project"]["dependencies"])
    lines += pyproject["build-system"]["requires"] if build else []
    for extra in extras:
        lines += pyproject["project"]["optional-dependencies"][extra]
    requirements = map(Requirement, lines)
    return [
        requirement
        for requirement in requirements
        if requirement.name != "veroallarme"
        and (requirement.marker is None or requirement.marker.evaluate())
    ]


@pytest.mark.parametrize("lock_file", LOCK_FILES)
def test_every_entry_is_one_version_with_hashes(lock_file: str) -> None:
    entries = locked_entries(lock_file)
    assert entries
    for requirement, hashes in entries.items():
        assert re.match(r"[a-z0-9.-]+==[0-9][^,*\s]*( ; .+)?$", requirement), requirement
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), requirement


@pytest.mark.parametrize("lock_file", LOCK_FILES)
def test_no_entry_names_an_address(lock_file: str) -> None:
    text = (ROOT / lock_file).read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links", text)


@pytest.mark.parametrize(
    ("lock_file", "extras"),
    [
        ("constraints.txt", ("demo", "dev", "onvif", "rtsp", "train")),
        ("constraints-demo.txt", ("demo",)),
        ("app/constraints.txt", ("onvif",)),
    ],
)
def test_the_lock_satisfies_pyproject(lock_file: str, extras: tuple[str, ...]) -> None:
    versions = locked_versions(lock_file)
    unmet = [
        f"{requirement}: {versions.get(canonicalize_name(requirement.name), 'not locked')}"
        # The app is built elsewhere, into a wheel.
        for requirement in declared_requirements(*extras, build=not lock_file.startswith("app/"))
        if not requirement.specifier.contains(
            versions.get(canonicalize_name(requirement.name), "0.dev0")
        )
    ]
    assert unmet == [], "run scripts/lock"


@pytest.mark.parametrize("lock_file", LOCK_FILES[1:3])
def test_every_set_is_part_of_the_development_set(lock_file: str) -> None:
    """By version and hash; a marker may differ, as fewer packages ask for the same one."""
    smaller, larger = (
        {(entry.partition(" ;")[0], *sorted(hashes)) for entry, hashes in entries.items()}
        for entries in (locked_entries(lock_file), locked_entries("constraints.txt"))
    )
    assert smaller <= larger


def test_the_app_gets_nothing_that_the_worker_does_not_need() -> None:
    everything = set(locked_versions("app/constraints.txt"))
    assert everything < set(locked_versions("constraints.txt"))
    # FFmpeg in PyAV's wheels has parts under the GPL, which no image of ours hands on.
    assert everything.isdisjoint({"av", "hatchling", "torch", "amqtt", "rich", "pytest"})
