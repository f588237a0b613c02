"""Reading YAML: text stays as written, everything has a line, and nothing raises."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veroallarme_core.worker.config.config_file import MAX_FILE_BYTES, ConfigDocument, read_document

TEXT_KEYS = {"start", "where", "password"}


@pytest.fixture
def read(tmp_path):
    def read(content: str | bytes) -> ConfigDocument:
        path = tmp_path / "config.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_document(path, TEXT_KEYS)

    return read


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("start: ON", "ON"),
        ("start: [on, 1, 1.50, true, 0x1F, 2026-11-23, 1:30]", None),
        ("password: 0123", "0123"),
        ("password: 1e400", "1e400"),
        ("password: yes", "yes"),
        ("password: '007'", "007"),
        ("password:", None),
        ("password: ~", None),
        ("where: {a: 01, b: no}", {"a": "01", "b": "no"}),
        ("other: ON", True),
        ("other: 12", 12),
        ("other: 1.5", 1.5),
        ("other: '12'", "12"),
        ("other: 2026-11-23", "2026-11-23"),
        ("other: =", "="),
        ("other: <<", "<<"),
        ("other: !!bool maybe", "maybe"),
        ("other: !!int x", "x"),
        ("other: !!timestamp x", "x"),
        ("other: !!python/name:os.system x", "x"),
        ("other: !!python/object/apply:os.system [x]", ["x"]),
        ("other: 1" + "0" * 30, "1" + "0" * 30),
    ],
)
def test_values(read, line, value):
    document = read(line)
    assert document.mistakes == []
    if line.startswith("start: ["):
        value = ["on", "1", "1.50", "true", "0x1F", "2026-11-23", "1:30"]
    assert next(iter(document.content.values())) == value
    assert type(next(iter(document.content.values()))) is type(value)


def test_keys_are_text(read):
    document = read("1: a\non: b\nnull: c\n2026-11-23: d\n")
    assert document.content == {"1": "a", "on": "b", "null": "c", "2026-11-23": "d"}


def test_merged_keys(read):
    document = read("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: &c {<<: *a, x: 9}\nd: {<<: *c}\n")
    assert document.mistakes == []
    assert document.content["b"] == {"x": 1, "y": 3}
    assert document.content["d"] == {"x": 9, "y": 2}


def test_a_key_that_stands_twice_is_told_with_both_lines(read):
    document = read("a: 1\nb: {c: 1, c: 2}\n'a': 3\n")
    assert document.mistakes == [
        "line 2: the key 'c' stands in line 2 already: keep one",
        "line 3: the key 'a' stands in line 1 already: keep one",
    ]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (["a"], 2),
        (["a", "b"], 3),
        (["a", "b", 0], 4),
        (["a", "b", 1, "c"], 6),
        (["a", "b", 1, "missing"], 5),
        (["a", "b", 7], 3),
        (["a", "b", "c", "d"], 3),
        (["missing"], None),
        ([], None),
    ],
)
def test_lines(read, path, line):
    assert read("# comment\na:\n  b:\n    - 1\n    - d: 2\n      c: 3\n").line(path) == line


# --- !env and !secret ---------------------------------------------------------------------------


def test_environment(read, monkeypatch):
    monkeypatch.setenv("PORT", "1884")
    monkeypatch.setenv("PASSWORD", "0123")
    document = read("port: !env PORT\npassword: !env PASSWORD\nplain: 5\n")
    assert document.mistakes == []
    assert document.content == {"port": 1884, "password": "0123", "plain": 5}
    assert document.is_hidden(["port"])
    assert not document.is_hidden(["plain"])
    assert document.secrets == {"1884", "0123"}
    assert "0123" not in repr(document).replace(repr(document.content), "")


def test_secrets(read, tmp_path):
    (tmp_path / "secrets.yaml").write_text("mqtt: 0123\nport: 1884\nquoted: '5'\n")
    document = read("password: !secret mqtt\nport: !secret port\nother: !secret quoted\n")
    assert document.mistakes == []
    assert document.content == {"password": "0123", "port": 1884, "other": "5"}


def test_what_is_missing_outside_is_told_all_at_once(read, tmp_path, monkeypatch):
    monkeypatch.delenv("NOPE", raising=False)
    secrets = tmp_path / "secrets.yaml"
    document = read("a: !env NOPE\nb: [!secret mqtt]\n")
    assert document.mistakes == [
        "line 1: the environment variable 'NOPE' is not set: set it",
        f"line 2: {secrets} does not exist: make it, with a line name: value",
    ]
    assert document.is_unresolved(["a"])
    assert document.is_unresolved(["b", 0])
    secrets.write_text("list: [1]\n")
    for name in ("mqtt", "list"):
        assert read(f"b: !secret {name}\n").mistakes == [
            f"line 1: {secrets} has no plain value named '{name}': add it"
        ]


@pytest.mark.parametrize("content", ["- a\n", "a: [", "", "\x00", "a: !x y: z"])
def test_a_broken_secrets_file(read, tmp_path, content):
    (tmp_path / "secrets.yaml").write_text(content)
    assert read("a: !secret x\n").mistakes == [
        f"line 1: {tmp_path / 'secrets.yaml'} is not YAML of the form name: value: correct it"
    ]


# --- what cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("a: 1\n\tb: 2\n", "line 2: not valid YAML (a tab): indent by spaces"),
        ("a: 1\n b: 2\n", "line 2: not valid YAML (mapping values are not allowed here)"),
        ("a: [1\n", "line 2: not valid YAML"),
        ("a: 1\n---\nb: 2\n", "line 2: not valid YAML (a second document): remove the line ---"),
        ("a: \x00\n", "line 1: a control character: remove it"),
        ("\n\na: \x07\n", "line 3: a control character"),
        ("[" * 5000, "the file is nested too deeply"),
        (b"a: 1\nb: \xff\xfe\n", "is not UTF-8 text (line 2): save it as UTF-8"),
        (bytes(range(256)), "is not UTF-8 text"),
        (b"a" * (MAX_FILE_BYTES + 1), "has more than 1 MB"),
        ('a: "\\U00110000"', "not valid YAML"),
        ("a: {<<: 5}", "line 1: not valid YAML"),
        ("a: !!binary ä", "is read"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(read, content, mistake):
    document = read(content)
    if mistake == "is read":
        assert document.is_readable
        return
    assert not document.is_readable
    assert document.content is None
    [told] = document.mistakes
    assert mistake in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("a: !include x\n", "line 1: an unknown tag (only !env and !secret are known)"),
        ("a: !include [x]\n", "line 1: an unknown tag"),
        ("? [a]\n: 1\n", "line 1: a key that is not a text: name it"),
        ("? {a: 1}\n: 1\n", "line 1: a key that is not a text: name it"),
        ('a: "\\ud800"\n', "line 1: half of a character pair: remove it"),
    ],
)
def test_what_has_no_place_in_a_configuration(read, content, mistake):
    document = read(content)
    assert document.is_readable
    [told] = document.mistakes
    assert told.startswith(mistake)


@pytest.mark.parametrize("value", ["!hunter2", "*hunter2", "&hunter2 *hunter2x", "%hunter2 x: y"])
def test_a_password_without_quotes_is_not_quoted_in_a_mistake(read, value):
    document = read(f"password: {value}\n")
    assert "hunter2" not in "".join(document.mistakes)
    assert document.mistakes


def test_a_file_that_cannot_be_opened(tmp_path):
    for path, mistake in (
        (tmp_path, "is a folder"),
        (tmp_path / "nope.yaml", "does not exist"),
        (tmp_path / "nope.yaml" / "x", "does not exist"),
        (Path("/dev/null/x"), "cannot be read (Not a directory)"),
        (Path("a\0b"), "cannot be read"),
    ):
        document = read_document(path, TEXT_KEYS)
        assert not document.is_readable
        assert mistake in document.mistakes[0]


def test_aliases_do_not_multiply(read):
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    lines += ["start: *a59", "where: {x: *a59}"]
    document = read("\n".join(lines))
    assert document.mistakes == []
    assert document.line(["a59"]) == 60


def test_a_structure_within_itself(read):
    document = read("a: &a [*a]\nb: &b {c: *b}\nstart: &s [*s]\n")
    assert document.is_readable
    assert document.line(["b", "c", "c", "c"]) == 2


yaml_text = st.text(
    st.sampled_from(list("ab01: \n\t-[]{}!&*<>|?%@`'\"\\#,.=~")) | st.characters(), max_size=60
)


@given(content=yaml_text.map(lambda text: text.encode("utf-8", "replace")) | st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_nothing_raises(read, content):
    document = read(content)
    assert document.is_readable or document.mistakes
    for mistake in document.mistakes:
        assert "\n" not in mistake
