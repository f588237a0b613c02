"""Which runtimes are here, and which of them reads a file."""

from veroallarme_core.inference import BACKEND_NAMES, available_backends, backends_for


def test_tells_what_is_installed():
    assert set(available_backends()) <= set(BACKEND_NAMES)
    assert set(backends_for("a.onnx")) == {"openvino", "onnxruntime"}
    assert backends_for("a.txt") == ()
