"""YAML for people: line numbers, ``!env`` and ``!secret``, and text that stays as it was written.

PyYAML reads ``start: ON`` as true, ``password: 0123`` as 83 and drops the first of two equal keys
without a word. Here a key that stands for text keeps its text, a key is always text, a key that
stands twice is a mistake, and whatever a file holds, reading it raises nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_FILE_BYTES = 1 << 20
MAX_INTEGER_CHARACTERS = 18
"""A longer integer is no value of any key; as text it can at least be shown."""

SECRETS_FILE = "secrets.yaml"
UNRESOLVED = "unresolved"
"""Stands where ``!env`` or ``!secret`` led nowhere; the mistake is told once, not twice."""

_TAG = "tag:yaml.org,2002:"
_TEXT, _NULL, _MERGE = f"{_TAG}str", f"{_TAG}null", f"{_TAG}merge"
_PLAIN_TAGS = {_TEXT, _NULL, f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float"}
_QUOTED = re.compile(r"""(["'])(?!<).{2,}\1""")


@dataclass
class ConfigDocument:
    """What a file holds, and where in it."""

    content: Any = None
    """Plain Python values, None for an empty file."""
    mistakes: list[str] = field(default_factory=list)
    """What cannot be read; where `is_readable` is False there is no content."""
    is_readable: bool = True
    secrets: set[str] = field(default_factory=set, repr=False)
    """Values that came by ``!env`` and ``!secret``."""
    _root: Node | None = field(default=None, repr=False)
    _hidden: set[int] = field(default_factory=set, repr=False)
    _unresolved: set[int] = field(default_factory=set, repr=False)

    def line(self, path: Sequence[Any]) -> int | None:
        """Return the line, counted from 1, of a path or of the part of it that exists."""
        line = None
        for key, value in self._walk(path):
            mark = (key or value).start_mark
            line = mark.line + 1 if mark is not None else None
        return line

    def is_hidden(self, path: Sequence[Any]) -> bool:
        """Whether the value at a path came from outside of the file, and is not to be shown."""
        return any(id(value) in self._hidden for _, value in self._walk(path))

    def is_unresolved(self, path: Sequence[Any]) -> bool:
        """Whether the value at a path is missing outside of the file."""
        return any(id(value) in self._unresolved for _, value in self._walk(path))

    def _walk(self, path: Sequence[Any]) -> Iterator[tuple[Node | None, Node]]:
        """Yield key and value of each step of a path, as far as it leads."""
        node = self._root
        for step in path:
            found: tuple[Node | None, Node] | None = None
            if isinstance(node, MappingNode):
                # The last one counts where a merge (<<) brought an equal key.
                found = next((pair for pair in reversed(node.value) if pair[0].value == step), None)
            elif (
                isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value)
            ):
                found = (None, node.value[step])
            if found is None:
                return
            yield found
            node = found[1]


def read_document(path: Path, text_keys: Collection[str]) -> ConfigDocument:
    """Read a configuration file; never raises.

    Args:
        path: of the file; ``secrets.yaml`` is looked for beside it.
        text_keys: keys whose values, or whose lists' and mappings' values, are text.
    """
    text = ""
    try:
        text = _read_text(path)
        return _Reader(path.parent, text_keys).read(text)
    except _UnreadableError as error:
        return _unreadable(str(error))
    except yaml.MarkedYAMLError as error:
        return _unreadable(_syntax_mistake(error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _unreadable(f"line {line}: a control character: remove it, or check the file")
    except RecursionError:
        return _unreadable("the file is nested too deeply: check brackets and indentation")
    except (yaml.YAMLError, ValueError) as error:
        return _unreadable(f"not valid YAML ({str(error).splitlines()[0]}): correct it")


class _UnreadableError(Exception):
    """Something outside cannot be read; the message says what and what to do."""


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise _UnreadableError(f"{path} does not exist: give the path of your file") from None
    except IsADirectoryError:
        raise _UnreadableError(f"{path} is a folder: give the path of the file in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _UnreadableError(
            f"{path} cannot be read ({reason}): check the path and its rights"
        ) from None
    if len(data) > MAX_FILE_BYTES:
        raise _UnreadableError(
            f"{path} has more than {MAX_FILE_BYTES >> 20} MB: give a configuration file"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _UnreadableError(
            f"{path} is not UTF-8 text (line {line}): save it as UTF-8"
        ) from None


def _unreadable(mistake: str) -> ConfigDocument:
    return ConfigDocument(mistakes=[mistake], is_readable=False)


def _syntax_mistake(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "a mistake"
    remedy = "check indentation, and put text with special characters in quotes"
    if r"'\t'" in problem:
        problem, remedy = "a tab", "indent by spaces"
    elif "another document" in problem:
        problem, remedy = "a second document", "remove the line ---"
    # What is quoted may be a password that begins with a character that YAML uses itself.
    problem = _QUOTED.sub("(hidden)", problem)
    where = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
    return f"{where}not valid YAML ({problem}): {remedy}"


class _Reader:
    """Makes plain values of one file's text."""

    def __init__(self, folder: Path, text_keys: Collection[str]) -> None:
        self._folder = folder
        self._text_keys = frozenset(text_keys)
        self._document = ConfigDocument()
        self._secrets: dict[str, ScalarNode] | None = None
        self._seen: set[int] = set()

    def read(self, text: str) -> ConfigDocument:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is not None:
                self._loader = loader
                self._prepare(root, is_text=False)
                self._document.content = loader.construct_document(root)
                self._document._root = root
        finally:
            loader.dispose()
        return self._document

    def _prepare(self, node: Node, *, is_text: bool) -> None:
        """Give each scalar below a node the tag of what it stands for."""
        if id(node) in self._seen:
            return  # an alias; a file of a few lines can hold billions of them
        self._seen.add(id(node))
        if isinstance(node, ScalarNode):
            self._prepare_scalar(node, is_text)
        elif not node.tag.startswith(_TAG):
            self._note_unknown_tag(node)
            node.tag = f"{_TAG}{'map' if isinstance(node, MappingNode) else 'seq'}"
        if isinstance(node, SequenceNode):
            node.tag = f"{_TAG}seq"
            for item in node.value:
                self._prepare(item, is_text=is_text and isinstance(item, ScalarNode))
        elif isinstance(node, MappingNode):
            node.tag = f"{_TAG}map"
            self._prepare_mapping(node, is_text)

    def _prepare_mapping(self, node: MappingNode, is_text: bool) -> None:
        pairs = []
        first_lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self._document.mistakes.append(f"line {line}: a key that is not a text: name it")
                continue
            if key.tag != _MERGE:
                key.tag = _TEXT
                if key.value in first_lines:
                    self._document.mistakes.append(
                        f"line {line}: the key {_printable(key.value)} stands in line "
                        f"{first_lines[key.value]} already: keep one"
                    )
                first_lines.setdefault(key.value, line)
            nested = isinstance(value, ScalarNode) and is_text
            self._prepare(value, is_text=nested or key.value in self._text_keys)
            pairs.append((key, value))
        node.value = pairs

    def _prepare_scalar(self, node: ScalarNode, is_text: bool) -> None:
        if node.tag in ("!env", "!secret"):
            self._fetch(node, is_text)
        elif node.tag.startswith("!"):
            self._note_unknown_tag(node)
            node.tag = _TEXT
        elif node.tag != _TEXT:
            node.tag = self._tag_of(node.value, is_text)
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            line = node.start_mark.line + 1
            self._document.mistakes.append(f"line {line}: half of a character pair: remove it")
            node.value = node.value.encode("utf-8", "replace").decode()

    def _tag_of(self, value: str, is_text: bool) -> str:
        """Tell what a scalar without quotes stands for."""
        resolve: Callable[..., str] = self._loader.resolve
        tag = resolve(ScalarNode, value, (True, False))
        if tag == _NULL:
            return tag
        too_long = tag == f"{_TAG}int" and len(value) > MAX_INTEGER_CHARACTERS
        # No key takes dates, and "=" and "<<" are text where they are no key.
        return _TEXT if is_text or too_long or tag not in _PLAIN_TAGS else tag

    def _fetch(self, node: ScalarNode, is_text: bool) -> None:
        """Replace ``!env NAME`` or ``!secret name`` by what it stands for."""
        fetch = self._environment if node.tag == "!env" else self._secret
        self._document._hidden.add(id(node))
        try:
            found = fetch(node.value)
        except _UnreadableError as error:
            self._document.mistakes.append(f"line {node.start_mark.line + 1}: {error}")
            self._document._unresolved.add(id(node))
            node.tag, node.value = _TEXT, UNRESOLVED
            return
        node.value = found.value
        is_plain = found.style is None
        node.tag = self._tag_of(found.value, is_text) if is_plain else _TEXT
        self._document.secrets.add(found.value)

    def _environment(self, name: str) -> ScalarNode:
        if name not in os.environ:
            raise _UnreadableError(
                f"the environment variable {_printable(name)} is not set: set it"
            )
        return ScalarNode(_TEXT, os.environ[name])

    def _secret(self, name: str) -> ScalarNode:
        path = self._folder / SECRETS_FILE
        if self._secrets is None:
            self._secrets = _read_secrets(path)
        if name not in self._secrets:
            raise _UnreadableError(f"{path} has no plain value named {_printable(name)}: add it")
        return self._secrets[name]

    def _note_unknown_tag(self, node: Node) -> None:
        # The tag itself may be a password that begins with an exclamation mark.
        self._document.mistakes.append(
            f"line {node.start_mark.line + 1}: an unknown tag (only !env and !secret are known): "
            "put text that begins with ! in quotes"
        )


def _read_secrets(path: Path) -> dict[str, ScalarNode]:
    if not os.path.exists(path):
        raise _UnreadableError(f"{path} does not exist: make it, with a line name: value")
    text = _read_text(path)
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        root = None
    if not isinstance(root, MappingNode):
        raise _UnreadableError(f"{path} is not YAML of the form name: value: correct it")
    return {
        key.value: value
        for key, value in root.value
        if isinstance(key, ScalarNode) and isinstance(value, ScalarNode)
    }


def _printable(name: str) -> str:
    return repr(name if len(name) <= 64 else f"{name[:64]}…")
