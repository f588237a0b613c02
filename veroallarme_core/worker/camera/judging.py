"""The threads in which bursts are judged, and the networks that they use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import CameraSettings
from veroallarme_core.description import load_object_detector, load_scene_encoder
from veroallarme_core.inference import InferenceError, ModelError, describe_runtime
from veroallarme_core.pipeline import EventPipeline, Outcomes, PipelineResult
from veroallarme_core.relevance_mask import RelevanceMaskPredictor
from veroallarme_core.worker.camera.reference import ReferencePicture
from veroallarme_core.worker.config import InferenceConfig
from veroallarme_core.worker.process_memory import give_back

_LOGGER = logging.getLogger(__name__)

THREADS = 2
MOST_SECOND_LOOKS = 8
"""Bursts that may wait for another look after their alarm; each keeps its frames in memory."""
SECOND_LOOK_LIMIT_S = 30.0
_LOWER_BY = 10  # the niceness of second looks: alarms go first
WAIT_LIMIT_S = 8.0
"""A burst that no thread has begun to judge by then is not judged: whoever waits longer for an
alarm has no use for it."""
IDLE_S = 30.0
"""Without a judgement for so long, memory is given back: some 100 MB. The next one takes 10 to
40 ms more of the processor, in which the system clears those pages again."""

T = TypeVar("T")


class OverloadedError(RuntimeError):
    """No thread had time for a burst; the message says how many wait."""


class JudgingThreads:
    """Runs the pipeline outside the event loop, for all cameras.

    Args:
        options: which networks are loaded, and how they run.
        complain: logs a sentence and shows it in the health, by a key.
        looks_again: whether it is found out what events would be under other settings, which the
            page alone asks for.
    """

    def __init__(
        self,
        options: InferenceConfig,
        complain: Callable[[str, str], None],
        *,
        looks_again: bool = False,
    ) -> None:
        self.pipeline = EventPipeline(looks_again=looks_again)
        self.runtime: str | None = None
        """What runs the networks; None where there are none."""
        self.has_encoder = False
        """Whether there is a scene encoder, without which nothing can be learned."""
        self.analyses = asyncio.Lock()
        """Held while an analysis is judged: the rest of the threads belongs to the alarms."""
        self._options = options
        self._looks_again = looks_again
        self._complain = complain
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="veroallarme-judge")
        # Two bursts are judged side by side: threads of OpenCV's own would only fight theirs.
        cv2.setNumThreads(1)
        self._second_looks = ThreadPoolExecutor(
            1, thread_name_prefix="veroallarme-second-look", initializer=_give_way
        )
        self._looking = 0
        self._waiting = 0
        self._begun_at: dict[int, float] = {}
        self._resting: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def load_networks(self) -> None:
        """Load the networks; without them the cues judge alone, and nothing is learned."""
        options = self._options
        if not options.enabled:
            return
        predictor, runtimes = None, []
        trouble = "cameras are judged by cues alone, and none can be learned"
        load_encoder = partial(load_scene_encoder, options.backend, options.threads)
        loading_encoder = self._load("learning", trouble, load_encoder)
        trouble = "nobody is recognised, and what cameras have learned does not apply"
        load_detector = partial(
            load_object_detector, options.backend, options.threads, options.detector
        )
        loading_detector = self._load("detector", trouble, load_detector)
        encoder, detector = await asyncio.gather(loading_encoder, loading_detector)
        if options.model is not None:
            trouble = "the relevance network cannot be used"
            load_predictor = partial(_load_predictor, options.model, options)
            predictor = await self._load("inference", trouble, load_predictor)
        if encoder is not None:
            runtimes.append(describe_runtime(encoder.backend))
            _LOGGER.info("scene encoder %s, %s", encoder.name, runtimes[-1])
        if detector is not None:
            runtimes.append(describe_runtime(detector.backend))
            _LOGGER.info("object detector %s, %s", detector.name, runtimes[-1])
        if predictor is not None:
            backend = predictor.backend
            runtimes.append(describe_runtime(backend.name, backend.device))
            _LOGGER.info("relevance network %s, %s", backend.meta.name, runtimes[-1])
        self.runtime = ", ".join(dict.fromkeys(runtimes)) or None
        if runtimes:
            self.pipeline = EventPipeline(
                predictor, encoder, detector, looks_again=self._looks_again
            )
        self.has_encoder = encoder is not None
        self._rest_later()

    async def _load(self, key: str, trouble: str, load: Callable[[], T]) -> T | None:
        try:
            return await asyncio.to_thread(load)
        except (ModelError, InferenceError) as error:
            self._complain(key, f"{trouble}: {error}")
            return None

    async def judge(
        self,
        frames: list[bytes],
        settings: CameraSettings,
        reference: ReferencePicture,
        state: CameraState | None,
        *,
        event_id: str,
        motion_at: datetime,
    ) -> PipelineResult:
        """Judge a burst; see `EventPipeline.judge`.

        Bursts are begun in the order in which they come. Each camera has one at a time here, so
        that one which sees much motion does not keep the others waiting.

        Raises:
            OverloadedError: no thread began within `WAIT_LIMIT_S`.
        """

        def judge() -> PipelineResult:
            self._begun_at[threading.get_ident()] = time.monotonic()
            try:
                return self.pipeline.judge(
                    frames,
                    settings,
                    reference.load(),
                    state,
                    event_id=event_id,
                    motion_at=motion_at,
                )
            finally:
                del self._begun_at[threading.get_ident()]

        call = self._threads.submit(judge)
        judging = asyncio.wrap_future(call)
        self._waiting += 1
        try:
            await asyncio.wait({judging}, timeout=WAIT_LIMIT_S)
            if not judging.done() and call.cancel():  # which nothing does that was begun
                raise OverloadedError(f"{self._waiting} bursts wait to be judged")
            return await judging
        finally:
            judging.cancel()
            self._waiting -= 1
            self._rest_later()

    async def look_again(self, call: Callable[[], Outcomes]) -> Outcomes | None:
        """Find out what an event would be under other settings, behind all alarms.

        None where too many wait, where it takes too long or where it fails: it is then not known.
        """
        if self._looking >= MOST_SECOND_LOOKS or self._is_closed:
            return None
        self._looking += 1
        looking = asyncio.get_running_loop().run_in_executor(self._second_looks, call)
        looking.add_done_callback(self._looked)
        try:
            async with asyncio.timeout(SECOND_LOOK_LIMIT_S):
                return await asyncio.shield(looking)
        except TimeoutError:
            return None  # alarms go first, and there were many
        except Exception:  # whatever is wrong with it, the alarm was told
            _LOGGER.exception("nobody can tell what an event would be under other settings")
            return None
        finally:
            self._rest_later()

    def _looked(self, looking: asyncio.Future[Outcomes]) -> None:
        self._looking -= 1
        if not looking.cancelled():
            looking.exception()  # told where it was waited for

    def _rest_later(self) -> None:
        """Give memory back once nothing has been judged for a while."""
        if self._resting is not None:
            self._resting.cancel()
        if self._is_closed:
            return
        self._resting = asyncio.get_running_loop().call_later(IDLE_S, self._rest)

    def _rest(self) -> None:
        if self._begun_at:
            self._rest_later()
        else:
            # A future of the loop: it would say if this failed.
            asyncio.get_running_loop().run_in_executor(self._threads, self._give_back)

    def _give_back(self) -> None:
        self.pipeline.release_memory()
        give_back()

    @property
    def longest_s(self) -> float:
        """Seconds since the oldest judgement that still runs began; 0 without any."""
        # A copy, as the threads come and go.
        begun_at = list(self._begun_at.values())
        return time.monotonic() - min(begun_at) if begun_at else 0.0

    def close(self) -> None:
        """Judge nothing more; what runs is not waited for."""
        self._is_closed = True
        if self._resting is not None:
            self._resting.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._second_looks.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    """Let the threads of the alarms go first; only Linux knows a priority of a thread."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWER_BY)


def _load_predictor(model: Path, config: InferenceConfig) -> RelevanceMaskPredictor:
    """Load the network and run it once, so that the first event does not wait for it."""
    predictor = RelevanceMaskPredictor(
        model,
        backend=None if config.backend == "auto" else config.backend,
        threads=config.threads,
    )
    height, width = predictor.input_size
    predictor.backend.infer(np.zeros((1, 3, height, width), np.float32))
    return predictor
