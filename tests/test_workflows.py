"""The workflows are what GitHub can read, and name nothing that is not there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github" / "workflows"
NAMES = ["app", "home-assistant", "release", "tests"]

WORKFLOW_KEYS = {"name", "on", "permissions", "concurrency", "jobs"}
EVENTS = {"push", "pull_request", "schedule", "workflow_dispatch"}
JOB_KEYS = {
    *("name", "runs-on", "timeout-minutes", "strategy", "steps"),
    *("needs", "if", "environment", "permissions"),
}
STEP_KEYS = {"name", "uses", "with", "run", "env"}
SCOPES = {"contents", "id-token", "packages"}
CONTEXTS = {
    *("github.workflow", "github.ref", "github.ref_name", "github.actor", "github.token"),
    *("github.repository", "matrix.python", "vars.IMAGE", "vars.IMAGE_REGISTRY"),
}


class Loader(yaml.SafeLoader):
    """Reads YAML 1.2, as GitHub does: `on` is a word and no truth."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.yml").read_text(encoding="utf-8")


def workflow(name: str) -> dict[str, Any]:
    content = yaml.load(text_of(name), Loader)
    assert isinstance(content, dict)
    return content


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def test_every_workflow_is_checked_here() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"{name}.yml" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_has_the_keys_that_github_knows(name: str) -> None:
    content = workflow(name)
    assert content.keys() <= WORKFLOW_KEYS
    assert {"name", "on", "permissions", "jobs"} <= content.keys()
    assert content["on"].keys() <= EVENTS
    for job in content["jobs"].values():
        assert job.keys() <= JOB_KEYS
        assert {"runs-on", "timeout-minutes", "steps"} <= job.keys()
        assert set(job.get("permissions", {})) <= SCOPES
        needed = job.get("needs", [])
        assert {needed} if isinstance(needed, str) else set(needed) <= content["jobs"].keys()
    for step in steps(name):
        assert step.keys() <= STEP_KEYS
        assert ("uses" in step) != ("run" in step), step
        assert "with" not in step or "uses" in step
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+(/[\w-]+)+@[\w./]+", step["uses"])


@pytest.mark.parametrize("name", NAMES)
def test_reads_no_secret_and_only_contexts_that_are_there(name: str) -> None:
    expressions = re.findall(r"\$\{\{ *(.*?) *\}\}", text_of(name))
    assert set(expressions) <= CONTEXTS
    assert "secrets." not in text_of(name)
    # What others choose, like the name of a branch, is never part of a program.
    assert not [step for step in steps(name) if "${{" in step.get("run", "")]


@pytest.mark.parametrize("name", NAMES)
def test_names_only_files_of_the_checkout(name: str) -> None:
    named = {
        word for step in steps(name) for word in re.findall(r"\b(?:scripts|app)/[\w.-]+", str(step))
    }
    paths = re.findall(r"\./[\w-]+|\.github/[\w./-]+", text_of(name))
    missing = [path for path in {*named, *paths} if not (ROOT / path).exists()]
    assert missing == []


def test_may_only_read_where_a_job_asks_for_no_more() -> None:
    for name in NAMES:
        assert workflow(name)["permissions"] == {"contents": "read"}


def test_every_supported_python_is_tested() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    matrix = workflow("tests")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == promised
    wanted = re.search(r'requires-python = "(.*)"', project)
    assert wanted is not None
    assert all(Version(f"{version}.9") in SpecifierSet(wanted[1]) for version in promised)


def test_integration_and_app_are_checked_by_those_who_read_them() -> None:
    used = {
        step["uses"].partition("@")[0] for name in NAMES for step in steps(name) if "uses" in step
    }
    assert {"home-assistant/actions/hassfest", "hacs/action", "frenck/action-addon-linter"} <= used
    categories = [step["with"] for step in steps("home-assistant") if "with" in step]
    assert categories == [{"category": "integration"}]


def test_a_release_makes_wheel_source_archive_and_image() -> None:
    release = workflow("release")
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert release["jobs"].keys() == {"packages", "index", "image", "release"}
    commands = [step["run"] for step in steps("release") if "run" in step]
    assert ".venv/bin/python -m hatchling build --directory dist" in commands
