"""The datasets of moving regions: their items, what they skip, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torchvision import transforms  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from tests.training.bursts import (  # noqa: E402
    write_broken_event,
    write_camera,
    write_event,
    write_still_event,
)
from veroallarme_core.motion_detection import MotionDetector  # noqa: E402
from veroallarme_training.config import AugmentationSettings  # noqa: E402
from veroallarme_training.datasets.motion_dataset import (  # noqa: E402
    ContrastiveMotionDataset,
    MotionRegionDataset,
    SegmentationDataset,
)
from veroallarme_training.datasets.teaching_dataset import TeachingDataset  # noqa: E402
from veroallarme_training.drawn_events import draw_event_folders, label_drawn  # noqa: E402
from veroallarme_training.events import EventsError  # noqa: E402
from veroallarme_training.motion_cache import MotionCache  # noqa: E402
from veroallarme_training.moving_events import find_motion, load_moving_events  # noqa: E402
from veroallarme_training.region_labels import LabelsError, RegionLabel  # noqa: E402

VARIED = AugmentationSettings()


@pytest.fixture(scope="module")
def camera(tmp_path_factory) -> Path:
    return write_camera(tmp_path_factory.mktemp("events") / "gate")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    events = draw_event_folders(tmp_path_factory.mktemp("drawn"), 1, (144, 176))
    return find_motion(events, MotionCache())


def is_image(tensor, size=(224, 224)) -> bool:
    return (
        tensor.shape == (3, *size)
        and tensor.dtype == torch.float32
        and float(tensor.min()) >= 0.0
        and float(tensor.max()) <= 1.0
    )


class TestContrastiveMotionDataset:
    @pytest.mark.parametrize("input_mode", ["temporal", "rgb"])
    @pytest.mark.parametrize("augmentation", [None, VARIED])
    def test_items_are_triplets_of_crops(self, camera, input_mode, augmentation):
        dataset = ContrastiveMotionDataset(camera, input_mode=input_mode, augmentation=augmentation)
        assert len(dataset) == 6
        for index in range(len(dataset)):
            triplet = dataset[index]
            assert len(triplet) == 3
            assert all(is_image(one) for one in triplet)

    def test_the_positive_is_nearer_than_the_negative(self, drawn):
        dataset = ContrastiveMotionDataset(drawn, input_mode="rgb")
        distances = []
        for anchor, positive, negative in (dataset[i] for i in range(len(dataset))):
            distances.append(
                (float((anchor - positive).abs().mean()), float((anchor - negative).abs().mean()))
            )
        nearer = sum(positive < negative for positive, negative in distances)
        assert nearer >= 0.8 * len(distances)

    def test_anchor_and_positive_are_the_mover_in_two_frames(self, tmp_path):
        for number in range(2):
            write_event(tmp_path / f"e{number}", [(20, 40), (70, 40), (120, 40)], seed=number)
        dataset = ContrastiveMotionDataset(tmp_path, input_mode="rgb")
        for epoch in range(8):
            dataset.set_epoch(epoch)
            anchor, positive, _ = dataset[0]
            assert not torch.equal(anchor, positive)
            # The figure is the darkest thing of the yard, and it is in the middle of both crops.
            for crop in (anchor, positive):
                assert float(crop[:, 90:170, 100:124].mean()) < float(crop.mean()) - 0.1

    def test_the_hardest_negative_is_the_empty_place(self, tmp_path):
        for number in range(2):
            write_event(tmp_path / f"e{number}", [(20, 40), (70, 40), (120, 40)], seed=number)
        dataset = ContrastiveMotionDataset(tmp_path, input_mode="rgb")
        brightness = set()
        for epoch in range(16):
            dataset.set_epoch(epoch)
            brightness.add(float(dataset[0][2][:, 90:170, 100:124].mean()) > 0.3)
        assert brightness == {True, False}

    def test_an_item_depends_on_seed_epoch_and_number_alone(self, camera):
        one = ContrastiveMotionDataset(camera, augmentation=VARIED, seed=4)
        other = ContrastiveMotionDataset(camera, augmentation=VARIED, seed=4)
        other[0]
        for dataset in (one, other):
            dataset.set_epoch(3)
        assert all(torch.equal(a, b) for a, b in zip(one[2], other[2], strict=True))
        other.set_epoch(4)
        assert not torch.equal(one[2][0], other[2][0])

    @pytest.mark.parametrize(
        "transform",
        [
            transforms.Compose(
                [
                    transforms.ToPILImage(),
                    transforms.RandomResizedCrop((224, 224)),
                    transforms.RandomRotation(15),
                    transforms.ToTensor(),
                    transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
                ]
            ),
            transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]),
            transforms.RandomResizedCrop(224),
            transforms.RandomRotation(10),
            transforms.Normalize([0.5] * 3, [0.25] * 3),
            v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(0.3), v2.GaussianBlur(5)]),
        ],
    )
    def test_takes_any_torchvision_transform(self, camera, transform):
        dataset = ContrastiveMotionDataset(camera, transform=transform)
        assert [tuple(one.shape) for one in dataset[0]] == [(3, 224, 224)] * 3

    def test_normalisation_is_applied(self, camera):
        plain = ContrastiveMotionDataset(camera)
        shifted = ContrastiveMotionDataset(
            camera, transform=transforms.Normalize([0.5] * 3, [0.5] * 3)
        )
        assert torch.allclose(shifted[1][0], (plain[1][0] - 0.5) / 0.5, atol=1e-6)

    @pytest.mark.parametrize(
        ("transform", "got"),
        [
            (transforms.Resize((64, 64)), r"a tensor \(3, 64, 64\)"),
            (transforms.ToPILImage(), "Image"),
        ],
    )
    def test_refuses_a_transform_that_makes_no_crop(self, camera, transform, got):
        dataset = ContrastiveMotionDataset(camera, transform=transform)
        with pytest.raises(ValueError, match=rf"must return a tensor \(3, 224, 224\), not {got}"):
            dataset[0]

    def test_takes_evenly_spaced_events(self, camera):
        dataset = ContrastiveMotionDataset(camera, max_sequences=3)
        assert [moving.event.event_id[9:11] for moving in dataset.found.events] == [
            "00",
            "02",
            "04",
        ]

    def test_takes_all_cameras_of_a_parent(self, tmp_path):
        write_camera(tmp_path / "gate", 2)
        write_camera(tmp_path / "yard", 3)
        dataset = ContrastiveMotionDataset(tmp_path)
        cameras = [moving.event.camera for moving in dataset.found.events]
        assert cameras == ["gate"] * 2 + ["yard"] * 3

    def test_skips_and_counts_broken_events(self, tmp_path):
        write_camera(tmp_path, 3)
        write_broken_event(tmp_path / "20260102_000000")
        write_still_event(tmp_path / "20260103_000000")
        dataset = ContrastiveMotionDataset(tmp_path)
        assert (len(dataset), dataset.num_skipped, dataset.found.still) == (3, 1, 1)
        assert "20260102_000000 has no two frames" in dataset.found.skipped[0].reason

    def test_an_empty_folder_is_a_clear_error(self, tmp_path):
        with pytest.raises(EventsError, match=r"holds no events: expected .*<event_id>/0\.jpg"):
            ContrastiveMotionDataset(tmp_path)

    def test_a_folder_without_motion_is_a_clear_error(self, tmp_path):
        write_still_event(tmp_path / "e0")
        with pytest.raises(EventsError, match=r"None of the 1 events .* 1 without motion"):
            ContrastiveMotionDataset(tmp_path)

    def test_one_event_is_too_few(self, tmp_path):
        write_camera(tmp_path, 1)
        with pytest.raises(EventsError, match="at least 2 events with motion, 1 found"):
            ContrastiveMotionDataset(tmp_path)

    def test_motion_is_computed_once(self, tmp_path, camera):
        class Counting(MotionDetector):
            calls = 0

            def detect_motion(self, frames):
                Counting.calls += 1
                return super().detect_motion(frames)

        for _ in range(2):
            dataset = ContrastiveMotionDataset(
                camera, Counting(min_area=50), cache_dir=tmp_path / "cache"
            )
            dataset[0], dataset[1]
        assert Counting.calls == 6

    def test_works_in_the_processes_of_a_loader(self, camera):
        dataset = ContrastiveMotionDataset(camera, size=(32, 32), augmentation=VARIED)
        dataset.set_epoch(5)
        expected = [dataset[i] for i in range(4)]
        # A process that is not forked gets its own copy of everything but the epoch's number.
        loader = torch.utils.data.DataLoader(
            dataset, 2, num_workers=1, multiprocessing_context="spawn"
        )
        batches = iter(loader)
        for start in (0, 2):
            anchors = next(batches)[0]
            assert torch.equal(anchors, torch.stack([e[0] for e in expected[start : start + 2]]))


class TestSegmentationDataset:
    def test_items_are_crops_with_masks_of_what_moved(self, camera):
        dataset = SegmentationDataset(camera)
        for index in range(len(dataset)):
            image, mask = dataset[index]
            assert is_image(image)
            assert (mask.shape, mask.dtype) == ((1, 224, 224), torch.float32)
            assert set(mask.unique().tolist()) == {0.0, 1.0}

    def test_the_mask_lies_on_what_changed(self, camera):
        image, mask = SegmentationDataset(camera)[0]
        spread = image.max(dim=0).values - image.min(dim=0).values
        moved = mask[0] > 0
        assert float(spread[moved].mean()) > 4 * float(spread[~moved].mean())

    def test_target_size(self, camera):
        image, mask = SegmentationDataset(camera, target_size=(96, 128))[0]
        assert (tuple(image.shape), tuple(mask.shape)) == ((3, 96, 128), (1, 96, 128))

    def test_augmentation_moves_image_and_mask_alike(self, camera):
        always = AugmentationSettings(
            horizontal_flip=1.0,
            reverse_time=0.0,
            scale=(1.0, 1.0),
            shift=0.0,
            brightness=0.0,
            contrast=0.0,
            noise=0.0,
            blur=0.0,
        )
        image, mask = SegmentationDataset(camera)[0]
        flipped, flipped_mask = SegmentationDataset(camera, augmentation=always)[0]
        assert torch.allclose(flipped, image.flip(-1), atol=1e-6)
        assert torch.equal(flipped_mask, mask.flip(-1))

    def test_a_transform_moves_image_and_mask_alike(self, camera):
        image, mask = SegmentationDataset(camera)[0]
        flip = v2.RandomHorizontalFlip(1.0)
        flipped, flipped_mask = SegmentationDataset(camera, transform=flip)[0]
        assert type(flipped) is torch.Tensor
        assert torch.equal(flipped, image.flip(-1))
        assert torch.equal(flipped_mask, mask.flip(-1))

    def test_labels_decide_what_of_the_motion_is_relevant(self, tmp_path):
        write_event(tmp_path / "e0", [(20, 40), (70, 40), (120, 40)])
        found = load_moving_events(tmp_path)
        name = found.events[0].event.name
        assert found.events[0].region_count == 3
        labels = {(name, 0): RegionLabel(True), (name, 1): RegionLabel(False)}
        dataset = SegmentationDataset(found, labels=labels)
        values = [set(dataset[i][1].unique().tolist()) for i in range(len(dataset))]
        assert len(dataset) == 2
        assert 1.0 in values[0]
        assert 1.0 not in values[1]

    def test_what_nobody_knows_is_marked(self, tmp_path):
        write_event(tmp_path / "e0", [(30, 40), (55, 40), (80, 40)])
        found = load_moving_events(tmp_path)
        moving = found.events[0]
        assert moving.region_count > 1
        dataset = SegmentationDataset(found, labels={(moving.event.name, 0): RegionLabel(True)})
        _, mask = dataset[0]
        assert {1.0, -1.0} <= set(mask.unique().tolist())

    def test_exact_masks_go_before_the_motion(self, drawn):
        labels = label_drawn(drawn.events)
        dataset = SegmentationDataset(drawn, labels=labels)
        own = [
            (dataset[i][1], labels[dataset.found.events[number].event.name, region].relevant)
            for i, (number, region) in enumerate(dataset.index)
        ]
        assert {relevant for _, relevant in own} == {True, False}
        assert all(float(mask.sum()) > 0 for mask, relevant in own if relevant)
        irrelevant = [float(mask.mean()) for mask, relevant in own if not relevant]
        assert np.median(irrelevant) == 0.0

    def test_one_frame_shows_the_mover_at_its_clearest(self, tmp_path):
        write_event(tmp_path / "e0", [(20, 40), (70, 40), (120, 40)])
        dataset = SegmentationDataset(tmp_path, input_mode="rgb")
        for index in range(3):
            image, mask = dataset[index]
            moved = mask[0] > 0
            assert float(image[:, moved].mean()) < float(image[:, ~moved].mean()) - 0.05


class TestMotionRegionDataset:
    def test_items_are_crops_with_labels(self, camera, tmp_path):
        rows = [
            "event_id,label,cause,uncertain",
            "20260101_000000,relevant,person,0",
            "20260101_010000,irrelevant,tree,0",
            "20260101_020000,relevant,person,1",
        ]
        (tmp_path / "labels.csv").write_text("\n".join(rows))
        dataset = MotionRegionDataset(camera, labels_file=tmp_path / "labels.csv")
        labels = []
        for index in range(len(dataset)):
            crop, label = dataset[index]
            assert is_image(crop)
            assert (label.shape, label.dtype) == ((), torch.int64)
            labels.append(int(label))
        ids = {dataset.found.events[number].event.event_id for number, _ in dataset.index}
        assert ids == {"20260101_000000", "20260101_010000"}
        assert sum(labels) == 1
        assert len(labels) >= 2

    def test_a_transform_is_applied(self, camera, tmp_path):
        (tmp_path / "labels.csv").write_text("event_id,label\n20260101_000000,relevant\n")
        options = {"labels_file": tmp_path / "labels.csv", "max_sequences": 6}
        plain = MotionRegionDataset(camera, **options)
        shifted = MotionRegionDataset(
            camera, transform=transforms.Normalize([0.5] * 3, [0.5] * 3), **options
        )
        assert torch.allclose(shifted[0][0], (plain[0][0] - 0.5) / 0.5, atol=1e-6)

    def test_labels_in_place_of_a_file(self, camera):
        found = load_moving_events(camera)
        labels = {(found.events[2].event.name, 0): RegionLabel(False)}
        dataset = MotionRegionDataset(found, labels=labels, size=(64, 64))
        assert [int(dataset[0][1]), len(dataset)] == [0, 1]

    @pytest.mark.parametrize("both", [True, False])
    def test_needs_labels_from_one_source(self, camera, both):
        given = {"labels_file": "labels.csv", "labels": {}} if both else {}
        with pytest.raises(ValueError, match="either labels_file or labels"):
            MotionRegionDataset(camera, **given)

    def test_a_missing_labels_file_is_a_clear_error(self, camera):
        with pytest.raises(LabelsError, match=r"no labels file nowhere\.csv, nor is there one"):
            MotionRegionDataset(camera, labels_file="nowhere.csv")


def test_the_teaching_dataset_adds_label_and_weight(drawn):
    dataset = TeachingDataset(drawn, labels=label_drawn(drawn.events), size=(64, 64))
    item = dataset[0]
    assert is_image(item["image"], (64, 64))
    assert (item["mask"].shape, item["mask"].dtype) == ((64, 64), torch.int64)
    labels = [int(dataset[i]["label"]) for i in range(len(dataset))]
    assert dataset.shares() == (labels.count(0), labels.count(1))
    assert float(item["weight"]) == 1.0


def test_the_datasets_read_real_footage(footage: Path, tmp_path: Path):
    options = {"cache_dir": tmp_path, "max_sequences": 12}
    factory = footage / "cameras" / "factory"
    triplet = ContrastiveMotionDataset(factory, **options)[0]
    assert all(is_image(one) for one in triplet)
    regions = MotionRegionDataset(factory, "regions.csv", **options)
    assert {int(regions[i][1]) for i in range(len(regions))} <= {0, 1}
    image, mask = SegmentationDataset(factory, **options)[0]
    assert is_image(image)
    assert 0 < float(mask.mean()) < 1
