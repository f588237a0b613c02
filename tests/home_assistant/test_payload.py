import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_components.veroallarme.payload import (
    PayloadError,
    read_image,
    read_json,
    read_switch,
)

from .worker import JPEG


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_bytes_that_are_no_json_are_refused(payload: bytes | str) -> None:
    try:
        content = read_json(payload)
    except PayloadError:
        return
    assert isinstance(content, dict)


@pytest.mark.parametrize("payload", ["[" * 100_000, "1" * 5000, '{"a": NaN}', "[]", "null", ""])
def test_json_that_is_no_object_is_refused(payload: str) -> None:
    with pytest.raises(PayloadError):
        read_json(payload)


def test_switches_are_on_or_off() -> None:
    assert (read_switch("ON"), read_switch("OFF")) == (True, False)
    for payload in ("on", "1", b"ON"):
        with pytest.raises(PayloadError):
            read_switch(payload)


def test_a_picture_is_a_jpeg_of_bounded_size() -> None:
    assert read_image(JPEG) == JPEG
    for payload in ("text", b"GIF89a", JPEG + bytes(8 * 1024 * 1024)):
        with pytest.raises(PayloadError):
            read_image(payload)
