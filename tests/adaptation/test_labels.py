"""Labels: read, or refused in one sentence."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veroallarme_core.adaptation.labels import read_labels
from veroallarme_core.adaptation.options import AdaptationInputError


def test_labels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    text = (
        "\ufeffcause,event_id,label\nperson, a ,relevant\n\ntree,b,Irrelevant\ntree,a,irrelevant\n"
    )
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == {"a": False, "b": False}, "the last word counts"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"event_id,label\na,yes\n", r"line 2: label 'yes': write relevant or irrelevant"),
        (b"event_id,label\na,relevant\nb\n", "line 3: label ''"),
        (b"label,event_id\nrelevant\nmaybe\n", "line 3: label 'maybe'"),
        (b"event,label\na,relevant\n", "columns event_id and label"),
        (b"", "columns event_id and label"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "cannot be read as a CSV file"),
        (b"event_id,label\n\x00,relevant\n" * 2, "CSV file|label"),
    ],
)
def test_wrong_labels_are_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(AdaptationInputError, match=message) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_labels_that_are_not_there_are_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(AdaptationInputError, match="cannot be read as a CSV file"):
        read_labels(tmp_path / name)


@settings(max_examples=50)
@given(st.binary(max_size=80))
def test_any_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    path.write_bytes(b"label,event_id\n" + content)
    try:
        assert set(read_labels(path).values()) <= {True, False}
    except AdaptationInputError as error:
        assert str(path) in str(error)  # noqa: PT017 - some of these files are right
