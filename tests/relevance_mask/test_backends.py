"""Three runtimes behind one protocol: they agree, and they refuse what is wrong."""

import importlib.metadata
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.onnx_networks import write_network
from veroallarme_core.description.region_crops import InputMode
from veroallarme_core.inference import (
    BACKEND_NAMES,
    InferenceError,
    ModelError,
    NoCudaError,
    describe_runtime,
    load_onnxruntime,
    load_openvino,
    runtimes,
)
from veroallarme_core.relevance_mask import backends
from veroallarme_core.relevance_mask.backends import open_backend, relevance_probability
from veroallarme_core.relevance_mask.model_meta import ModelMeta

ROOT = Path(__file__).resolve().parents[2]
GRAPH_BACKENDS = ("openvino", "onnxruntime")


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    meta = ModelMeta(input_mode=InputMode.RGB, name="spread")
    return write_network(tmp_path_factory.mktemp("model") / "spread.onnx", meta=meta)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A network with random weights that says that it was trained."""
    torch = pytest.importorskip("torch", reason="the torch back end needs the extra [train]")
    from veroallarme_core.relevance_mask import RelevanceMaskModel, save_checkpoint

    torch.manual_seed(3)
    network = RelevanceMaskModel(mode="both")
    network.trained_heads |= {"segmentation", "classification"}
    path = tmp_path_factory.mktemp("model") / "random.pth"
    save_checkpoint(path, network)
    return path


def crops(count=2, size=(224, 224), seed=0):
    return np.random.default_rng(seed).random((count, 3, *size), dtype=np.float32)


def available(monkeypatch, *names):
    monkeypatch.setattr(runtimes, "available_backends", lambda: names)


class TestGraphs:
    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_answers_as_the_network_is_written(self, model, name):
        backend = open_backend(model, "cpu", name, threads=1)
        image = crops(3)
        output = backend.infer(image)
        spread = image.max(axis=1) - image.min(axis=1)
        assert output.segmentation.dtype == output.classification.dtype == np.float32
        assert output.segmentation.shape == (3, 2, 224, 224)
        assert output.classification.shape == (3, 2)
        assert np.allclose(output.segmentation[:, 1], 60 * spread - 6, atol=1e-4)
        assert not output.segmentation[:, 0].any()
        pooled = (60 * spread - 6).reshape(3, 28, 8, 28, 8).mean(axis=(2, 4))
        assert np.allclose(output.classification[:, 1], pooled.max(axis=(1, 2)), atol=1e-4)

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_says_what_it_is(self, model, name):
        backend = open_backend(model, "cpu", name)
        assert (backend.name, backend.device) == (name, "cpu")
        assert backend.input_size == (224, 224)
        assert backend.meta == ModelMeta(input_mode=InputMode.RGB, name="spread")
        assert describe_runtime(name) == f"{name} {importlib.metadata.version(name)} on cpu"
        assert describe_runtime(name, "cuda").endswith(" on cuda")

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_takes_batches_of_any_length_in_any_order(self, model, name):
        backend = open_backend(model, "cpu", name)
        image = crops(16)
        whole = backend.infer(image)
        for count in (1, 16, 5, 1):
            part = backend.infer(image[:count])
            assert np.allclose(part.segmentation, whole.segmentation[:count], atol=1e-4)

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_an_answer_stays_when_the_next_one_comes(self, model, name):
        backend = open_backend(model, "cpu", name)
        first = backend.infer(crops(1, seed=1))
        kept = first.segmentation.copy()
        backend.infer(crops(1, seed=2))
        assert (first.segmentation == kept).all()

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_threads_may_share_it(self, model, name):
        backend = open_backend(model, "cpu", name, threads=1)
        images = [crops(2, seed=seed) for seed in range(4)]
        expected = [backend.infer(image).segmentation for image in images]
        wrong = []

        def infer_often(index):
            for _ in range(8):
                if not np.array_equal(backend.infer(images[index]).segmentation, expected[index]):
                    wrong.append(index)

        threads = [threading.Thread(target=infer_often, args=(i,)) for i in range(len(images))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    def test_reads_its_own_format(self, model, tmp_path):
        openvino = load_openvino()
        graph = openvino.Core().read_model(model)
        meta = ModelMeta(name="as-ir")
        graph.set_rt_info(meta.to_json(), "veroallarme")
        openvino.save_model(graph, tmp_path / "model.xml", compress_to_fp16=False)
        backend = open_backend(tmp_path / "model.xml")
        assert (backend.name, backend.meta) == ("openvino", meta)
        assert np.allclose(
            backend.infer(crops()).segmentation,
            open_backend(model, "cpu", "onnxruntime").infer(crops()).segmentation,
            atol=1e-4,
        )

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_a_graph_that_says_nothing_has_the_defaults(self, tmp_path, name):
        path = write_network(tmp_path / "plain.onnx")
        assert open_backend(path, "cpu", name).meta == ModelMeta()


class TestAgreement:
    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
    def test_all_runtimes_agree(self, checkpoint, tmp_path):
        export = pytest.importorskip(
            "veroallarme_training.export", reason="exporting needs the extra [train]"
        )
        from veroallarme_core.relevance_mask import model_from_checkpoint

        network, _ = model_from_checkpoint(checkpoint)
        path = tmp_path / "random.onnx"
        export.onnx.save(export.to_onnx(network, network.meta), path)
        image = crops(5)
        reference = open_backend(checkpoint, "cpu").infer(image)
        for name in GRAPH_BACKENDS:
            answer = open_backend(path, "cpu", name).infer(image)
            assert np.abs(answer.segmentation - reference.segmentation).max() < 1e-4
            assert np.abs(answer.classification - reference.classification).max() < 1e-4

    def test_torch_takes_any_multiple_of_32(self, checkpoint):
        backend = open_backend(checkpoint, "cpu", "torch")
        assert (backend.name, backend.input_size) == ("torch", None)
        assert backend.infer(crops(1, (96, 160))).segmentation.shape == (1, 2, 96, 160)
        with pytest.raises(ValueError, match=r"multiples of 32, not float32 \(1, 3, 100, 160\)"):
            backend.infer(crops(1, (100, 160)))

    def test_torch_threads_are_limited_where_asked(self, checkpoint):
        import torch

        before = torch.get_num_threads()
        try:
            open_backend(checkpoint, "cpu", threads=1)
            assert torch.get_num_threads() == 1
        finally:
            torch.set_num_threads(before)


class TestChoice:
    @pytest.fixture(autouse=True)
    def opened(self, monkeypatch):
        """Record what would be opened, and on which device, instead of opening it."""
        calls = []

        def opener(name):
            def open_it(path, device, threads):
                calls.append((name, device))
                return calls[-1]

            return open_it

        monkeypatch.setattr(backends, "_BACKENDS", {name: opener(name) for name in BACKEND_NAMES})
        monkeypatch.setattr(runtimes, "_has_cuda_onnxruntime", lambda: False)
        available(monkeypatch, *BACKEND_NAMES)
        return calls

    @pytest.mark.parametrize(
        ("machine", "chosen"),
        [("x86_64", "openvino"), ("AMD64", "openvino"), ("aarch64", "onnxruntime")],
    )
    def test_onnx_runs_in_what_suits_the_processor(self, model, monkeypatch, machine, chosen):
        monkeypatch.setattr(runtimes.platform, "machine", lambda: machine)
        assert open_backend(model) == (chosen, "cpu")

    @pytest.mark.parametrize(
        ("machine", "only"), [("x86_64", "onnxruntime"), ("aarch64", "openvino")]
    )
    def test_onnx_runs_in_what_is_there(self, model, monkeypatch, machine, only):
        monkeypatch.setattr(runtimes.platform, "machine", lambda: machine)
        available(monkeypatch, only, "torch")
        assert open_backend(model) == (only, "cpu")

    def test_cuda_takes_onnx_runtime(self, model, monkeypatch):
        assert open_backend(model, "cuda") == ("onnxruntime", "cuda")
        monkeypatch.setattr(runtimes, "_has_cuda_onnxruntime", lambda: True)
        assert open_backend(model) == ("onnxruntime", "cuda")

    def test_a_choice_can_be_forced(self, model):
        for name in GRAPH_BACKENDS:
            assert open_backend(model, "cpu", name) == (name, "cpu")

    def test_a_checkpoint_runs_in_torch(self, tmp_path):
        (tmp_path / "any.pth").touch()
        assert open_backend(tmp_path / "any.pth") == ("torch", "cuda")

    def test_without_cuda_the_processor_does(self, tmp_path, monkeypatch):
        (tmp_path / "any.pth").touch()

        def only_on_the_processor(path, device, threads):
            if device == "cuda":
                raise NoCudaError("no")
            return device

        monkeypatch.setitem(backends._BACKENDS, "torch", only_on_the_processor)
        assert open_backend(tmp_path / "any.pth") == "cpu"

    @pytest.mark.parametrize(
        ("name", "arguments", "sentence"),
        [
            ("m.onnx", {"device": "tpu"}, "device 'tpu': choose 'cpu', 'cuda', or None"),
            ("m.onnx", {"threads": 0}, "threads 0: give a whole number from 1"),
            ("m.onnx", {"threads": True}, "threads True: give a whole number from 1"),
            ("m.onnx", {"backend": "tflite"}, "backend 'tflite': choose one of openvino, onnxrun"),
            ("m.pkl", {}, r"m.pkl is no model file by its name: give a checkpoint \(.pth\)"),
            (
                "m.onnx",
                {"backend": "torch"},
                "'torch' does not read .onnx files such as .*m.onnx; openvino and onnxruntime can",
            ),
            (
                "m.xml",
                {"device": "cuda"},
                "'openvino' does not run on device 'cuda'; use 'cpu', or an .onnx file",
            ),
            ("m.onnx", {"device": "cuda", "backend": "openvino"}, "does not run on device 'cuda'"),
            ("m.onnx", {}, "The model file .*m.onnx does not exist; check the path"),
        ],
    )
    def test_a_wrong_argument_is_named(self, tmp_path, name, arguments, sentence):
        with pytest.raises(ModelError, match=sentence):
            open_backend(tmp_path / name, **arguments)

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("m.pth", "needs torch, which is not installed here: run `pip install torch torchvis"),
            ("m.xml", "needs openvino, which is not installed here: run `pip install openvino`"),
            ("m.onnx", "needs .* or .*, which is not installed here: run `pip install "),
        ],
    )
    def test_what_is_not_installed_is_named(self, tmp_path, monkeypatch, name, sentence):
        available(monkeypatch)
        with pytest.raises(ModelError, match=sentence):
            open_backend(tmp_path / name)


class TestHostileFiles:
    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    @pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x09" * 999])
    def test_a_damaged_graph_is_refused(self, tmp_path, name, content):
        path = tmp_path / "damaged.onnx"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"damaged.onnx (cannot be loaded by|is no relevance)"):
            open_backend(path, "cpu", name)

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_a_cut_off_graph_is_refused(self, model, tmp_path, name):
        path = tmp_path / "cut.onnx"
        path.write_bytes(model.read_bytes()[:-200])
        with pytest.raises(ModelError, match=r"cut.onnx"):
            open_backend(path, "cpu", name)

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"inputs": "data"}, r"is no relevance network: it has the inputs \['data'\]"),
            ({"outputs": ("a", "b")}, r"not image and segmentation and classification"),
            ({"batch": 4}, "takes exactly 4 crops at a time; export it with a dynamic batch"),
            ({"meta": "{"}, "its meta data is no JSON"),
            ({"meta": '{"input_mode": "bgr"}'}, "`input_mode` is 'bgr', not one of temporal"),
            ({"meta": '{"trained_heads": []}'}, "none of its heads is trained"),
        ],
    )
    def test_another_graph_is_refused(self, tmp_path, name, arguments, sentence):
        path = write_network(tmp_path / "other.onnx", **arguments)
        with pytest.raises(ModelError, match=f"other.onnx.* {sentence}|other.onnx: .*{sentence}"):
            open_backend(path, "cpu", name)

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_weights_outside_the_file_are_not_read(self, model, tmp_path, name):
        import onnx

        graph = onnx.load(model)
        secret = tmp_path / "secret"
        secret.write_bytes(b"\x00" * 4)
        folder = tmp_path / "models"
        folder.mkdir()
        weight = graph.graph.initializer[0]
        weight.ClearField("float_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", "../secret"), ("offset", "0"), ("length", "4")):
            entry = weight.external_data.add()
            entry.key, entry.value = key, value
        (folder / "reaching.onnx").write_bytes(graph.SerializeToString())
        with pytest.raises(ModelError, match=r"reaching.onnx"):
            open_backend(folder / "reaching.onnx", "cpu", name)

    def test_code_in_a_checkpoint_is_not_run(self, tmp_path):
        torch = pytest.importorskip("torch", reason="the torch back end needs the extra [train]")
        marker = tmp_path / "was-run"

        class Bomb:
            def __reduce__(self):
                return (os.mkdir, (str(marker),))

        path = tmp_path / "bomb.pth"
        torch.save({"model_state_dict": {"encoder.conv1.weight": Bomb()}}, path)
        with pytest.raises(ModelError, match=r"bomb.pth is no checkpoint .* code in it is not run"):
            open_backend(path, "cpu")
        assert not marker.exists()


class TestInputs:
    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    @pytest.mark.parametrize(
        "image",
        [
            crops(1, (128, 128)),
            crops(0),
            crops(1)[0],
            crops(1)[:, :2],
            crops(1).astype(np.float64),
        ],
    )
    def test_another_array_is_refused(self, model, name, image):
        backend = open_backend(model, "cpu", name)
        with pytest.raises(ValueError, match=r"The network takes float32 \(N, 3, height, width\)"):
            backend.infer(image)

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_an_answer_that_is_no_number_is_no_verdict(self, tmp_path, name):
        path = write_network(tmp_path / "broken.onnx", gain=float("inf"))
        with pytest.raises(InferenceError, match="numbers that are not finite"):
            open_backend(path, "cpu", name).infer(np.zeros((1, 3, 224, 224), np.float32))

    @pytest.mark.parametrize("name", GRAPH_BACKENDS)
    def test_an_answer_of_another_shape_is_no_verdict(self, tmp_path, name):
        swapped = ("classification", "segmentation")
        path = write_network(tmp_path / "swapped.onnx", outputs=swapped)
        with pytest.raises(InferenceError, match=r"shapes \(1, 2\) and \(1, 2, 224, 224\), not"):
            open_backend(path, "cpu", name).infer(crops(1))

    @pytest.mark.parametrize(
        ("name", "part", "method"),
        [("openvino", "_request", "infer"), ("onnxruntime", "_session", "run")],
    )
    def test_a_runtime_that_fails_is_named(self, model, monkeypatch, name, part, method):
        class Failing:
            pass

        def fail(self, *arguments, **options):
            raise RuntimeError("out of\n  memory")

        setattr(Failing, method, fail)
        backend = open_backend(model, "cpu", name)
        monkeypatch.setattr(backend, part, Failing())
        with pytest.raises(InferenceError, match=f"{name} failed on these crops: out of memory"):
            backend.infer(crops(1))

    def test_torch_that_fails_is_named(self, checkpoint, monkeypatch):
        def fail(image):
            raise RuntimeError("CUDA out of memory")

        backend = open_backend(checkpoint, "cpu")
        monkeypatch.setattr(backend, "_model", fail)
        with pytest.raises(InferenceError, match="torch failed on these crops: CUDA out of mem"):
            backend.infer(crops(1))

    def test_probabilities_do_not_overflow(self):
        logits = np.array([[0, 0], [0, 2], [-3e38, 3e38], [3e38, -3e38]], np.float32)
        with np.errstate(over="ignore"):
            probabilities = relevance_probability(logits)
        assert np.allclose(probabilities, [0.5, 1 / (1 + np.exp(-2)), 1, 0])


class TestAvailability:
    def test_asking_for_cuda_where_there_is_none_names_the_remedy(self, model):
        onnxruntime = load_onnxruntime()
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("this ONNX Runtime has CUDA")
        with pytest.raises(ModelError, match=r"device 'cuda' is not available: .*device='cpu'"):
            open_backend(model, "cuda")

    def test_asking_torch_for_cuda_where_there_is_none_names_the_remedy(self, checkpoint):
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has CUDA")
        with pytest.raises(ModelError, match=r"device 'cuda' is not available: .*device='cpu'"):
            open_backend(checkpoint, "cuda")
        assert open_backend(checkpoint).device == "cpu"


@pytest.mark.parametrize("name", GRAPH_BACKENDS)
def test_nothing_leaves_the_house(model, tmp_path, name):
    # Left to themselves both report to their makers, and keep an id in the home folder.
    program = (
        "import socket, sys, time\n"
        "def refuse(*arguments, **options):\n"
        "    print('looked up', arguments[0])\n"
        "    raise OSError('no network')\n"
        "socket.getaddrinfo = refuse\n"
        "socket.socket.connect = refuse\n"
        "import numpy as np\n"
        "from veroallarme_core.relevance_mask import open_backend\n"
        "backend = open_backend(sys.argv[1], 'cpu', sys.argv[2])\n"
        "backend.infer(np.zeros((1, 3, 224, 224), np.float32))\n"
        "time.sleep(1)  # it reports from a thread of its own\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    silencing = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"}
    left_to_themselves = {k: value for k, value in os.environ.items() if k not in silencing}
    finished = subprocess.run(
        [sys.executable, "-c", program, str(model), name],
        cwd=ROOT,
        env=left_to_themselves | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == ""
    assert list(home.iterdir()) == []
