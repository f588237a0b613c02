"""What is in a picture: people, animals and vehicles, each with a score and a box.

NanoDet-g (https://github.com/RangiLyu/nanodet, trained on COCO) ships; `docs/detector.md` tells
where it comes from and what it finds. A detector finds next to nobody in infrared: what it finds
speaks for relevance, what it does not find says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description.detector_layouts import (
    IMAGE_MEAN,
    IMAGE_STD,
    Floats,
    LayoutError,
    cells_of,
    place_boxes,
    recognise_layout,
)
from veroallarme_core.description.region_crops import Frame
from veroallarme_core.inference import (
    OPENVINO,
    Graph,
    InferenceError,
    ModelError,
    choose_runtime,
    open_graph,
)

DETECTOR_FILE = "object_detector.onnx"
"""The detector that ships."""
INT8_DETECTOR_FILE = "object_detector_int8.xml"
"""The same in 8 bits, a third of the time in OpenVINO; ONNX Runtime gains nothing by it."""
MAX_BATCH = 3
"""Most pictures in one inference, a burst's usual number: larger batches are hardly faster on a
CPU, and the runtime keeps 5 MB for each number of pictures of a size that it has met."""
SIZE_STEP = 32
"""Input sizes are multiples of this many pixels, the coarsest stride of the network that ships."""
MAX_SIZE = 1280
"""Largest input, in pixels; what is beyond takes seconds."""

# fmt: off
COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)
# fmt: on
"""In the order of the network's scores."""
CLASS_GROUPS: Mapping[str, tuple[str, ...]] = {
    "person": ("person",),
    "animal": COCO_CLASSES[14:24],  # bird to giraffe
    # No airplane: before a camera that watches the ground it is a mistake.
    "vehicle": ("bicycle", "car", "motorcycle", "bus", "train", "truck", "boat"),
}
"""What counts, by the names that users choose from."""

_GROUP_OF = {name: group for group, names in CLASS_GROUPS.items() for name in names}
_REMEDY_SHIPPED = "install the package again"
_REMEDY_OWN = (
    "give an ONNX file of YOLOX or NanoDet for the 80 classes of COCO, as their own export_onnx.py "
    "writes it"
)
_NMS_OVERLAP = 0.6  # as NanoDet's own configuration has it
_LARGEST_LINEAR = 3.2
"""Up to this factor frames are shrunk as in training, by interpolation: on 198 labelled scenes at
320 px that gave AUC .993, averaging .991, and the same or more on two cameras at factors up to 3.1.
Beyond, pixels that are skipped would take thin limbs with them: frames are halved first."""
_MAX_CANDIDATES = 500
"""Boxes of a picture that are compared with one another: a hostile detector must not take long."""


@dataclass(frozen=True)
class DetectedObject:
    """Something that was found; the box is in whole pixels and lies within the picture."""

    class_name: str
    """One of `COCO_CLASSES`."""
    score: float
    """In [0, 1]."""
    x: int
    y: int
    width: int
    height: int

    @property
    def group(self) -> str:
        """`person`, `animal` or `vehicle`."""
        return _GROUP_OF[self.class_name]

    def to_bbox(self) -> tuple[int, int, int, int]:
        """Return the box as (x1, y1, x2, y2); x2 and y2 are exclusive."""
        return (self.x, self.y, self.x + self.width, self.y + self.height)

    def shifted(self, x: int, y: int) -> DetectedObject:
        """Return the object found in a crop whose corner is at (x, y), as one of the frame."""
        # Not `replace`: hundreds of objects in an event are shifted, most of them faint.
        return DetectedObject(
            self.class_name, self.score, self.x + x, self.y + y, self.width, self.height
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the object as JSON-serialisable values, as verdicts hold it."""
        return {
            "class": self.class_name,
            "score": round(self.score, 3),
            "x": self.x,
            "y": self.y,
            "width": self.width,
            "height": self.height,
        }


def classes_of(names: Iterable[str]) -> frozenset[str]:
    """Return the classes behind names of groups and of classes.

    Raises:
        ValueError: a name is neither.
    """
    classes: set[str] = set()
    for name in names:
        if name in CLASS_GROUPS:
            classes.update(CLASS_GROUPS[name])
        elif name in _GROUP_OF:
            classes.add(name)
        else:
            known = ", ".join([*CLASS_GROUPS, *(other for other in _GROUP_OF if other != "person")])
            raise ValueError(f"There is no class {name!r}: choose from {known}.")
    return frozenset(classes)


class ObjectDetector:
    """Finds people, animals and vehicles in pictures; may be shared between threads.

    Args:
        backend: `openvino` or `onnxruntime`; None takes OpenVINO on x86-64 and ONNX Runtime
            elsewhere, whichever is installed.
        threads: most threads of one inference; None leaves the choice to the runtime.
        path: an ONNX file of the user's own, YOLOX or NanoDet with the 80 classes of COCO; None
            takes the detector that ships with the package.
        at_once: inferences that run side by side where several threads ask.

    Raises:
        ModelError: an argument is wrong, the file is no detector of a known layout, or no runtime
            is installed.
    """

    name: str
    """Of the network and its version, or of the user's file."""
    backend: str
    """`openvino` or `onnxruntime`."""

    def __init__(
        self,
        backend: str | None = None,
        threads: int | None = None,
        *,
        path: Path | None = None,
        at_once: int = 1,
    ) -> None:
        self.backend = choose_runtime(backend, "The object detector")
        remedy = _REMEDY_SHIPPED if path is None else _REMEDY_OWN
        if path is None:
            path = Path(str(resources.files("veroallarme_core"))) / "models"
            path /= INT8_DETECTOR_FILE if self.backend == OPENVINO else DETECTOR_FILE
        self._graph = open_graph(self.backend, path, threads, remedy=remedy, at_once=at_once)
        self._fixed_size = _fixed_size(self._graph, path, remedy)
        self._max_batch = self._graph.input.shape[0] or MAX_BATCH
        self.name = _name(self._graph, path)
        size = self._fixed_size or (SIZE_STEP * 7, SIZE_STEP * 7)
        try:
            # A full batch: what the runtime prepares for another size would only be kept.
            image = np.zeros((self._max_batch, 3, *size), np.float32)
            answers = self._graph.run(image, *(port.name for port in self._graph.outputs))
            first = [answer[:1] for answer in answers]
            self._layout = recognise_layout(self._graph.outputs, first, size)
        except (InferenceError, LayoutError) as error:
            reason = str(error).rstrip(".")
            raise ModelError(
                f"{path} is no detector that can be used here: {reason}; {remedy}."
            ) from error

    def detect(
        self,
        frames: Sequence[Frame],
        *,
        size: int = 320,
        min_score: float = 0.3,
        classes: Collection[str] = frozenset(_GROUP_OF),
    ) -> tuple[tuple[DetectedObject, ...], ...]:
        """Find objects in whole frames or crops, `MAX_BATCH` of the same shape at a time.

        Args:
            frames: uint8 (H, W, 3) BGR; their sizes may differ, and there may be none.
            size: pixels of the longer edge as the network sees it, a multiple of 32; the picture
                keeps its aspect. A detector of fixed input size ignores it.
            min_score: in (0, 1]; what scores less is left out.
            classes: which to look for, as `classes_of` gives them.

        Returns:
            For each frame its objects, in pixels of that frame, largest score first. Things of the
            same group that overlap are one; a person on a bicycle is both.

        Raises:
            ValueError: a frame is no BGR picture, or another argument is out of range.
            InferenceError: the runtime failed, or its answer holds no finite numbers.
        """
        _check_request(frames, size, min_score, classes)
        wanted = _Wanted(min_score, _rows_by_group(classes))
        fits = [_fit(frame.shape[:2], size, self._fixed_size) for frame in frames]
        found: list[tuple[DetectedObject, ...]] = [()] * len(frames)
        for batch in _batches([fit.input_size for fit in fits], self._max_batch):
            image = self._input(
                [frames[index] for index in batch], [fits[index] for index in batch]
            )
            answers = self._graph.run(image, *self._layout.outputs)
            scores = self._layout.scores(answers)
            for position, index in enumerate(batch):
                candidates = self._candidates(answers, scores, position, fits[index], wanted)
                found[index] = _objects(candidates, frames[index].shape[:2])
        return tuple(found)

    def release_memory(self) -> None:
        """Give back what is only needed while something is looked for, some 10 MB in OpenVINO."""
        self._graph.release()

    def network_input(self, frames: Sequence[Frame], size: int) -> Floats:
        """Return pictures of one shape as the network takes them, float32 (N, 3, height, width)."""
        return self._input(
            frames, [_fit(frame.shape[:2], size, self._fixed_size) for frame in frames]
        )

    def _input(self, frames: Sequence[Frame], fits: Sequence[_Fit]) -> Floats:
        letterboxed = [
            _letterbox(frame, fit, self._layout.fill)
            for frame, fit in zip(frames, fits, strict=True)
        ]
        blob = np.asarray(cv2.dnn.blobFromImages(letterboxed), np.float32)
        if self._layout.normalised:
            blob -= np.array(IMAGE_MEAN, np.float32)[:, None, None]
            blob /= np.array(IMAGE_STD, np.float32)[:, None, None]
        return blob

    def _candidates(
        self, answers: Sequence[Floats], scores: Floats, image: int, fit: _Fit, wanted: _Wanted
    ) -> list[_Candidates]:
        """Return what one picture holds in each group, boxes in pixels of the frame."""
        cells = cells_of(fit.input_size, scores.shape[2])
        scale = np.array([fit.scale_x, fit.scale_y] * 2, np.float32)
        found = []
        for rows in wanted.rows:
            its_scores = scores[image][rows]  # (classes, cells)
            best = its_scores.max(axis=0)
            which = np.flatnonzero(best >= wanted.min_score)
            which = which[np.argsort(-best[which], kind="stable")[:_MAX_CANDIDATES]]
            if len(which):
                boxes = self._layout.boxes(answers, image, which)
                names = rows[its_scores[:, which].argmax(axis=0)]
                placed = place_boxes(boxes, cells, which) / scale
                found.append(_Candidates(names, best[which], placed))
        return found


def load_object_detector(
    backend: str = "auto", threads: int = 2, path: Path | None = None
) -> ObjectDetector:
    """Load the detector as the configuration's `inference` says; it has then run once.

    `torch` is a choice for the relevance network alone; the detector takes it for `auto`.

    Args:
        backend: `auto`, `openvino`, `onnxruntime` or `torch`.
        threads: most threads of one inference.
        path: a detector of the user's own.

    Raises:
        ModelError: as `ObjectDetector`.
    """
    return ObjectDetector(None if backend in ("auto", "torch") else backend, threads, path=path)


class _Wanted(NamedTuple):
    min_score: float
    rows: tuple[NDArray[np.intp], ...]
    """For each group the indices of its classes."""


class _Candidates(NamedTuple):
    """What scored enough in a group, largest score first."""

    classes: NDArray[np.intp]
    """(k,) indices in `COCO_CLASSES`."""
    scores: Floats
    """(k,)"""
    boxes: Floats
    """(k, 4) x1, y1, x2, y2 in pixels of the frame."""


def _rows_by_group(classes: Collection[str]) -> tuple[NDArray[np.intp], ...]:
    rows = (
        [COCO_CLASSES.index(name) for name in names if name in classes]
        for names in CLASS_GROUPS.values()
    )
    return tuple(np.array(group, np.intp) for group in rows if group)


def _objects(
    found: Sequence[_Candidates], dimensions: tuple[int, int]
) -> tuple[DetectedObject, ...]:
    """Return one object for all boxes of a group that overlap, largest score first."""
    objects = []
    for classes, scores, boxes in found:
        height, width = dimensions
        corners = np.clip(boxes, 0.0, np.array([width, height] * 2, np.float32))
        x1, y1 = np.floor(corners[:, :2]).astype(int).T
        x2, y2 = np.ceil(corners[:, 2:]).astype(int).T
        sides = np.stack([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).reshape(-1, 4)
        for kept in cv2.dnn.NMSBoxes(sides.tolist(), scores.tolist(), 0.0, _NMS_OVERLAP):
            edges = (int(x2[kept] - x1[kept]), int(y2[kept] - y1[kept]))
            if min(edges) > 0:
                name, score = COCO_CLASSES[classes[kept]], min(float(scores[kept]), 1.0)
                objects.append(DetectedObject(name, score, int(x1[kept]), int(y1[kept]), *edges))
    return tuple(sorted(objects, key=lambda found: -found.score))


# --- pictures ------------------------------------------------------------------------------------


class _Fit(NamedTuple):
    """How a frame lies in the network's input: at the top left, scaled."""

    input_size: tuple[int, int]
    content: tuple[int, int]
    """(height, width) of the frame in the input."""
    scale_x: float
    scale_y: float


def _fit(dimensions: tuple[int, ...], size: int, fixed: tuple[int, int] | None) -> _Fit:
    height, width = dimensions
    scale = min(side / edge for side, edge in zip(fixed or (size, size), dimensions, strict=True))
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    # What no picture covers is not computed: a frame of 16:9 takes 38 % less than its square.
    whole = (-(-rows // SIZE_STEP) * SIZE_STEP, -(-columns // SIZE_STEP) * SIZE_STEP)
    return _Fit(fixed or whole, (rows, columns), columns / width, rows / height)


def _letterbox(frame: Frame, fit: _Fit, fill: int) -> Frame:
    rows, columns = fit.content
    while frame.shape[1] > _LARGEST_LINEAR * columns:
        # Averaging over 2x2 pixels takes an eighth of the time of averaging over fractions of them.
        half = (-(-frame.shape[1] // 2), -(-frame.shape[0] // 2))
        frame = np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.full((*fit.input_size, 3), fill, np.uint8)
    canvas[:rows, :columns] = cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return canvas


def _batches(sizes: Sequence[tuple[int, int]], most: int) -> Iterator[list[int]]:
    """Yield the indices of pictures that have the same input size, at most `most` at a time."""
    for size in dict.fromkeys(sizes):
        same = [index for index, other in enumerate(sizes) if other == size]
        for start in range(0, len(same), most):
            yield same[start : start + most]


# --- checks --------------------------------------------------------------------------------------


def _check_request(
    frames: Sequence[Frame], size: int, min_score: float, classes: Collection[str]
) -> None:
    for frame in frames:
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise ValueError(
                "A frame must be a uint8 array of shape (H, W, 3), "
                f"not {frame.dtype} {frame.shape}."
            )
    # Not 320.0, which a range has in it too.
    if type(size) is not int or size not in range(SIZE_STEP, MAX_SIZE + 1, SIZE_STEP):
        raise ValueError(
            f"size must be a multiple of {SIZE_STEP} from {SIZE_STEP} to {MAX_SIZE}, not {size!r}."
        )
    if not 0.0 < min_score <= 1.0:
        raise ValueError(f"min_score must be above 0 and at most 1, not {min_score!r}.")
    unknown = sorted(set(classes) - set(_GROUP_OF))
    if unknown:
        raise ValueError(f"There is no class {unknown[0]!r}: take what classes_of gives.")


def _fixed_size(graph: Graph, path: Path, remedy: str) -> tuple[int, int] | None:
    """Return the (height, width) that a detector takes, None where it takes any."""
    shape = graph.input.shape
    if len(shape) != 4 or shape[1] != 3 or shape[0] not in (None, 1):
        raise ModelError(
            f"{path} is no detector that can be used here: its input has the shape {shape}, not "
            f"(N, 3, height, width) with N free or 1; {remedy}."
        )
    height, width = shape[2:]
    if height is None or width is None:
        return None
    if not all(0 < edge <= MAX_SIZE and edge % SIZE_STEP == 0 for edge in (height, width)):
        raise ModelError(
            f"{path} is no detector that can be used here: its input is {width}x{height}, not "
            f"multiples of {SIZE_STEP} up to {MAX_SIZE}; {remedy}."
        )
    return (height, width)


def _name(graph: Graph, path: Path) -> str:
    properties = graph.properties
    if "name" in properties and "version" in properties:
        return f"{properties['name']}-{properties['version']}"[:64]
    return path.stem[:64]
