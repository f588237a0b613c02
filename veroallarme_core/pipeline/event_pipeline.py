"""What happens to a burst, from top to bottom."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import ALL_KINDS, CameraSettings, ObjectKind, State, Timing, Zone
from veroallarme_core.description import (
    BlindDetector,
    BurstEvidence,
    Candidate,
    MovingObjects,
    ObjectDetector,
    RememberingDetector,
    RememberingEncoder,
    SceneEncoder,
    VariantsEncoder,
    find_moving_objects,
    gather_evidence,
)
from veroallarme_core.inference import InferenceError
from veroallarme_core.judgement import (
    Burst,
    BurstJudgement,
    Premises,
    add_faint,
    candidates,
    doubt_unseen,
    judge_by_rules,
    leave_out_unwanted,
)
from veroallarme_core.motion_detection import MotionDetectionResult
from veroallarme_core.pictures import Frame, encode_jpeg
from veroallarme_core.pipeline.decoding import decode_burst, decode_reference, find_motion
from veroallarme_core.pipeline.judged_burst import JudgedBurst
from veroallarme_core.pipeline.judging_by_memory import conclude, judge_by_memory
from veroallarme_core.pipeline.looking_again import look_again
from veroallarme_core.pipeline.network_opinion import NetworkOpinion, ask_network
from veroallarme_core.pipeline.result import (
    PipelineResult,
    not_judged,
    nothing_decodable,
    threshold_in_force,
)

_LOGGER = logging.getLogger(__name__)


class EventPipeline:
    """Judges bursts; holds no state of a camera and may be shared between threads.

    Args:
        network: a relevance network. Its opinion stands among the cues, `network_score`, and
            decides nothing: a score that nobody has calibrated on a camera proves no nuisance.
        encoder: describes a burst for the camera's memory; None judges by the cues alone.
        detector: recognises people, animals and vehicles; None does without.
        looks_again: whether results can find out what they would be under other settings.
    """

    def __init__(
        self,
        network: NetworkOpinion | None = None,
        encoder: SceneEncoder | RememberingEncoder | None = None,
        detector: ObjectDetector | BlindDetector | RememberingDetector | None = None,
        *,
        looks_again: bool = False,
    ) -> None:
        self._looks_again = looks_again
        self._network = network
        self._encoder = encoder
        self._detector = detector

    @classmethod
    def with_shipped_networks(
        cls,
        threads: int | None = 1,
        detector: Path | None = None,
        *,
        at_once: int = 1,
        looks_again: bool = False,
    ) -> EventPipeline:
        """Return a pipeline that describes and recognises with the networks of the package.

        Args:
            threads: most threads of one inference; None leaves the choice to the runtime.
            detector: an object detector of the user's own; None takes the one that ships.
            at_once: inferences that run side by side where several threads judge.
            looks_again: as above.

        Raises:
            ModelError: a network cannot be loaded.
        """
        return cls(
            encoder=SceneEncoder(threads=threads, at_once=at_once),
            detector=ObjectDetector(threads=threads, path=detector, at_once=at_once),
            looks_again=looks_again,
        )

    def that_recognises_nobody(self) -> EventPipeline:
        """Return a pipeline whose detector finds nothing: nobody ranks lower with the real one."""
        blind = None if self._detector is None else BlindDetector(self._detector.name)
        return EventPipeline(self._network, self._encoder, blind)

    def that_remembers(self) -> EventPipeline:
        """Return a pipeline for one burst alone: what it is asked again it need not look at."""
        return self._remembering(RememberingEncoder)

    def for_variants_of(self, frames: Sequence[Frame]) -> EventPipeline:
        """Return a pipeline for some bursts that differ from one in a small part, by one thread.

        What they have in common it looks at once.

        Args:
            frames: of that one, uint8 (H, W, 3) BGR each.
        """
        return self._remembering(lambda encoder: VariantsEncoder(encoder, frames))

    def _remembering(
        self, remember: Callable[[SceneEncoder | RememberingEncoder], RememberingEncoder]
    ) -> EventPipeline:
        return EventPipeline(
            self._network,
            None if self._encoder is None else remember(self._encoder),
            None if self._detector is None else RememberingDetector(self._detector),
        )

    @property
    def encoder_name(self) -> str:
        """Of the scene encoder; empty where there is none."""
        return "" if self._encoder is None else self._encoder.name

    @property
    def detector_name(self) -> str:
        """Of the object detector; empty where there is none."""
        return "" if self._detector is None else self._detector.name

    def release_memory(self) -> None:
        """Give back what the networks keep between events; the next event has it again."""
        for network in (self._encoder, self._detector):
            if network is not None:
                network.release_memory()

    def judge(
        self,
        frames: Sequence[bytes],
        settings: CameraSettings,
        reference: bytes | None = None,
        state: CameraState | None = None,
        *,
        event_id: str = "",
        motion_at: datetime | None = None,
    ) -> PipelineResult:
        """Judge one burst.

        Args:
            frames: encoded pictures (JPEG, PNG, WebP) in order of time; bad ones are reported.
            settings: of the camera; its threshold, zones and objects are used.
            reference: encoded picture of the camera without motion, to compare a burst with in
                which nothing moved.
            state: what the camera has learned; it is read, not changed.
            event_id: of the event; the head that was fitted to it does not judge it.
            motion_at: when it moved, aware; None is now.
        """
        started = time.perf_counter()
        decoded, faults = decode_burst(frames)
        usable = [frame for frame in decoded if frame is not None]
        if not usable:
            return nothing_decodable(len(frames), faults, settings)
        decoded_at = time.perf_counter()
        motion = find_motion(decoded)
        moved_at = time.perf_counter()
        # Remembering takes time as well, and without another look nothing is asked again.
        pipeline = self.that_remembers() if self._looks_again else self
        judge = partial(
            pipeline.judge_motion,
            motion,
            reference=decode_reference(reference),
            state=state,
            event_id=event_id,
            motion_at=motion_at or datetime.now(UTC),
        )
        judged = judge(settings)
        is_single = len(decoded) < 2
        again = None
        if self._looks_again:
            again = partial(look_again, judge, settings, state, is_single=is_single)
        # One picture can show what was not there before, but never that nothing happened: a
        # camera that hangs serves the same old picture again and again.
        if is_single and judged.judgement.state is not State.RELEVANT:
            return replace(
                not_judged(
                    "single_frame",
                    "Only one distinct picture came from the camera, so motion cannot be seen.",
                    settings,
                ),
                frame_dimensions=motion.frame_dimensions,
                picture=encode_jpeg(usable[0].image),
                timing_ms=Timing(decode=(decoded_at - started) * 1e3),
                look_again=again,
            )
        opinion = ask_network(self._network, motion, judged.judgement)
        result = judged.to_result(motion, settings, opinion)
        ended = time.perf_counter()
        return replace(
            result,
            # Stage 1 sees a frame that never came beside a single one: that is not damaged.
            damaged=sum(bool(damage.kinds) for damage in motion.damage[: len(decoded)]),
            timing_ms=Timing(
                decode=(decoded_at - started) * 1e3,
                motion=(moved_at - decoded_at) * 1e3,
                relevance=(ended - moved_at) * 1e3,
            ),
            look_again=again,
        )

    def judge_motion(
        self,
        motion: MotionDetectionResult,
        settings: CameraSettings,
        reference: Frame | None = None,
        state: CameraState | None = None,
        *,
        event_id: str = "",
        motion_at: datetime | None = None,
        by_rules: BurstJudgement | None = None,
    ) -> JudgedBurst:
        """Judge what Stage 1 found; adaptation promises a recall of this very function.

        Zones come first: what does not count is gone before anything is chosen or described. Then
        what is proven, then objects of kinds that do not count, then what the camera has learned of
        the rest. Arguments: as for `judge`, but `reference` is uint8 (H, W, 3) BGR, and `by_rules`
        is what the rules said of it before, by the same zones and threshold: they know no kinds.
        """
        threshold = threshold_in_force(settings)
        premises = Premises.of(settings.zones, motion.frame_dimensions, settings.objects)
        burst = Burst(motion, reference, threshold, premises)
        is_trial = state is not None and state.is_on_trial
        is_taught = state is not None and not is_trial
        by_rules = by_rules or judge_by_rules(burst)
        first = self._describe(burst, by_rules, is_taught=is_taught, is_trial=is_trial)
        looks: tuple[JudgedBurst, ...] = (first,)
        learned = None

        def look_again() -> JudgedBurst:
            wider = add_faint(burst, first.judgement)
            if wider is first.judgement:
                return first
            return self._describe(
                burst, wider, is_taught=is_taught, is_trial=is_trial, earlier=first
            )

        if state is not None:
            at = (motion_at or datetime.now(UTC)).timestamp()
            looks, learned = judge_by_memory(
                first, look_again, state, event_id=event_id, at=at, threshold=threshold
            )
        described = looks[-1]
        if described.evidence is None:
            return replace(described, by_rules=by_rules, looks=looks)
        judgement = conclude(described, learned, threshold)
        if learned is not None:
            judgement = doubt_unseen(burst, judgement)
        return replace(
            described,
            judgement=judgement,
            evidence=_best_first(described.evidence, judgement),
            learned=learned,
            by_rules=by_rules,
            looks=looks,
        )

    def describe_motion(
        self,
        motion: MotionDetectionResult,
        zones: Sequence[Zone] = (),
        objects: Iterable[ObjectKind] = ALL_KINDS,
    ) -> JudgedBurst:
        """Judge what Stage 1 found by the rules alone, and describe what a camera learns from.

        Args:
            motion: what Stage 1 found.
            zones: where motion counts.
            objects: kinds that count.
        """
        premises = Premises.of(zones, motion.frame_dimensions, objects)
        burst = Burst(motion, premises=premises)
        return self._describe(burst, judge_by_rules(burst), is_taught=True)

    def _describe(
        self,
        burst: Burst,
        judgement: BurstJudgement,
        *,
        is_taught: bool,
        is_trial: bool = False,
        earlier: JudgedBurst | None = None,
    ) -> JudgedBurst:
        """Look for objects and describe; of a burst looked at `earlier` only what is new.

        A camera that is taught describes what is decided as well; a trial teaches nothing at all.
        """
        objects = self._look_for_objects(
            burst, judgement, None if earlier is None else earlier.objects
        )
        if objects is not None:
            judgement = leave_out_unwanted(burst, judgement, objects)
        # Where nobody learns from the evidence, only what is open needs it.
        described = [
            candidate
            for candidate in candidates(judgement)
            if is_taught or not candidate.is_decided
        ]
        known = None if earlier is None else earlier.evidence
        is_needed = is_taught or judgement.is_open
        evidence = None
        if is_needed:
            evidence = self._gather(burst, described, objects, known, is_learned=not is_trial)
        return JudgedBurst(judgement, evidence, objects)

    def _look_for_objects(
        self, burst: Burst, judgement: BurstJudgement, earlier: MovingObjects | None
    ) -> MovingObjects | None:
        """Look for who or what moves, where something counts that is not decided yet."""
        if self._detector is None or not judgement.undecided:
            return None
        regions = [
            candidate.region for candidate in candidates(judgement) if not candidate.is_decided
        ]
        moved = burst.moved_within(regions)
        try:
            return find_moving_objects(
                self._detector,
                burst.motion,
                moved,
                regions,
                kinds_in=burst.kinds_in,
                earlier=earlier,
            )
        except (InferenceError, ValueError):
            # What nobody looked at counts as if somebody had been seen.
            _LOGGER.exception("the object detector failed")
            return None

    def _gather(
        self,
        burst: Burst,
        described: Sequence[Candidate],
        objects: MovingObjects | None,
        earlier: BurstEvidence | None,
        *,
        is_learned: bool,
    ) -> BurstEvidence | None:
        if self._encoder is None:
            return None
        try:
            return gather_evidence(
                self._encoder,
                burst.motion,
                described,
                objects,
                burst.kinds_in,
                earlier,
                is_learned=is_learned,
            )
        except (InferenceError, ValueError):
            # The cues stand on their own, and they alert when in doubt.
            _LOGGER.exception("the scene encoder failed")
            return None


def _best_first(evidence: BurstEvidence, judgement: BurstJudgement) -> BurstEvidence:
    score = {region.region: region.relevance_score for region in judgement.regions}
    regions = sorted(evidence.regions, key=lambda seen: -score.get(seen.region, 0.0))
    return replace(evidence, regions=tuple(regions))
