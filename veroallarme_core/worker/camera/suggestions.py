"""Zones that a camera's history suggests: found beside the alarms, told, taken or refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import CommandError, SuggestionList, Zone, ZoneSuggestion, dump_state
from veroallarme_core.files import write_atomically
from veroallarme_core.pictures import encode_jpeg
from veroallarme_core.worker.camera.context import STORAGE_ERRORS
from veroallarme_core.worker.camera.learning import CameraLearning, Complain, Resolve
from veroallarme_core.worker.storage import EventStore, Storage
from veroallarme_core.zone_suggestions import (
    FEWEST_EVENTS,
    History,
    KnownSuggestions,
    PastEvent,
    SuggestionFileError,
    clearest_frame,
    draw_suggestions,
    suggest_zones,
)

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

MOST_EVENTS = 1500
"""The latest events of a camera are looked at, as many as an adaptation learns from."""
PAGE = 100
"""Verdicts that the database thread reads in one go: it has alarms to serve."""
PICTURED_EVENTS = 8
"""Events among whose pictures that of the suggestion is chosen: some are taken at night."""
RENEW_LIMIT_S = 120.0
FILE, PICTURE_FILE = "suggestions.json", "suggestions.jpg"


@dataclass(frozen=True, eq=False)
class _Sources:
    """What suggestions are made of."""

    verdicts: Sequence[str]
    """JSON, newest first."""
    thumbs: Mapping[str, bool]
    bursts: Sequence[Sequence[bytes]]
    recurrence: NDArray[np.float32]
    zones: tuple[Zone, ...]


class Suggestions:
    """The suggested zones of one camera; whatever is wrong with them, alarms go on.

    Args:
        learning: of the camera; its memory says what moves where.
        storage: holds verdicts, thumbs and pictures.
        thread: does the work of all cameras, one after the other.
        is_pictured: whether pictures of the camera may be published.
        publish: called with the suffix of a topic and its payload, retained.
        complain: see `WorkerServices`.
        resolve: see `WorkerServices`.
    """

    def __init__(
        self,
        learning: CameraLearning,
        storage: Storage,
        thread: ThreadPoolExecutor,
        is_pictured: bool,
        publish: Callable[[str, bytes], None],
        complain: Complain,
        resolve: Resolve,
    ) -> None:
        self._camera = learning.camera
        self._learning = learning
        self._storage = storage
        self._thread = thread
        self._is_pictured = is_pictured
        self._publish = publish
        self._complain = complain
        self._resolve = resolve
        self._known = KnownSuggestions()
        self._picture = b""
        self._stopped = False
        self._lock = asyncio.Lock()
        self._is_asked = False

    # --- what the broker has -------------------------------------------------------------

    @property
    def is_offering(self) -> bool:
        """Whether anything is suggested."""
        return bool(self._known.offered)

    @property
    def offered(self) -> Sequence[ZoneSuggestion]:
        """What is suggested."""
        return self._known.offered

    def payload(self) -> bytes:
        """Return the suggestions as the contract writes them."""
        return dump_state(SuggestionList(suggestions=self._known.offered).to_dict())

    @property
    def picture(self) -> bytes | None:
        """JPEG of the suggestions; None where there are none, or it may not be published."""
        return self._picture or None if self._is_pictured else None

    def stop(self) -> None:
        """Publish nothing more."""
        self._stopped = True

    def _tell(self) -> None:
        if not self._stopped:
            self._publish("suggestions_image", self.picture or b"")
            self._publish("suggestions", self.payload())

    # --- suggesting ----------------------------------------------------------------------

    async def open(self) -> None:
        """Take up what a former run has suggested."""
        try:
            self._known, self._picture = await self._run(partial(_load, self._learning.folder))
        except SuggestionFileError as error:
            self._complain(self._key, f"{self._camera}: {error}")
        except STORAGE_ERRORS as error:
            self._failed("suggested zones cannot be read", error)

    async def renew(self, zones: Callable[[], tuple[Zone, ...]]) -> None:
        """Look anew what could be ignored, and tell it where it has changed.

        However often it is asked for meanwhile, one more look follows one that runs.

        Args:
            zones: returns those in force by then.
        """
        if self._learning.state is None or self._is_asked:
            return
        self._is_asked = True
        try:
            await self._lock.acquire()
        finally:
            self._is_asked = False
        try:
            async with asyncio.timeout(RENEW_LIMIT_S):
                await self._look(zones())
            self._resolve(self._key)
        except Exception as error:  # whatever is wrong with suggestions, alarms go on
            self._failed("zones cannot be suggested", error)
        finally:
            self._lock.release()

    async def _look(self, zones: tuple[Zone, ...]) -> None:
        state = self._learning.state
        moving = None if state is None else await self._run(state.recurrence)
        if moving is None or moving[0] < FEWEST_EVENTS:
            await self._keep(KnownSuggestions(refused=self._known.refused), b"")
            return
        sources = await self._gather(min(moving[0], MOST_EVENTS), moving[1], zones)
        await self._keep(*await self._run(partial(_suggest, self._known, sources)))

    async def _gather(
        self, count: int, recurrence: NDArray[np.float32], zones: tuple[Zone, ...]
    ) -> _Sources:
        camera = self._camera
        thumbs = await self._storage.database(lambda store: store.feedback(camera))
        verdicts: list[tuple[str, str, str]] = []
        before: tuple[str, str] | None = None
        while len(verdicts) < count:
            limit = min(PAGE, count - len(verdicts))
            page = await self._storage.database(
                partial(EventStore.verdicts_before, camera=camera, before=before, limit=limit)
            )
            verdicts += page
            if len(page) < limit:
                break
            before = page[-1][:2]
        if not self._is_pictured:
            return _Sources([row[2] for row in verdicts], thumbs, [], recurrence, zones)
        bursts = []
        step = max(1, len(verdicts) // PICTURED_EVENTS)
        for _, event_id, _ in verdicts[::step][:PICTURED_EVENTS]:
            with contextlib.suppress(OSError):  # it may just be removed
                bursts.append(await self._storage.files(partial(_load_frames, camera, event_id)))
        return _Sources([row[2] for row in verdicts], thumbs, bursts, recurrence, zones)

    async def _keep(self, known: KnownSuggestions, picture: bytes) -> None:
        """Remember what is suggested, and tell it; the user's word must not be lost."""
        if known == self._known and bool(picture) == bool(self._picture):
            return
        self._known, self._picture = known, picture
        self._tell()
        await self._run(partial(_save, self._learning.folder, known, picture))
        _LOGGER.info("%s: %d zones are suggested", self._camera, len(known.offered))

    # --- the user's word -----------------------------------------------------------------

    async def take(self, suggestion_id: str) -> Zone:
        """Return the zone that the user has taken; it is suggested no more.

        Raises:
            CommandError: nothing is suggested under this id.
        """
        # What is being looked for meanwhile must not undo the answer.
        async with self._lock:
            suggestion = self._find(suggestion_id)
            await self._answer(self._known.without(suggestion))
        return suggestion.zone

    async def refuse(self, suggestion_id: str) -> None:
        """Suggest a zone no more, nor one like it.

        Raises:
            CommandError: nothing is suggested under this id.
        """
        async with self._lock:
            await self._answer(self._known.refusing(self._find(suggestion_id)))

    def _find(self, suggestion_id: str) -> ZoneSuggestion:
        suggestion = self._known.find(suggestion_id)
        if suggestion is None:
            offered = ", ".join(known.id for known in self._known.offered) or "none"
            raise CommandError(
                f"no zone is suggested as {suggestion_id}: give the id of a suggestion that "
                f"stands (now: {offered})"
            )
        return suggestion

    async def _answer(self, known: KnownSuggestions) -> None:
        picture = self._picture if known.offered else b""
        try:
            await self._keep(known, picture)
        except STORAGE_ERRORS as error:
            self._failed("the answer to a suggested zone cannot be kept", error)

    # --- behind the loop -----------------------------------------------------------------

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    @property
    def _key(self) -> str:
        return f"{self._camera}/suggestions"

    def _failed(self, trouble: str, error: Exception) -> None:
        if isinstance(error, STORAGE_ERRORS):
            remedy = "check that the disk of state_dir is there, writable and not full"
        else:
            _LOGGER.error("%s: %s", self._camera, trouble, exc_info=error)
            remedy = "alarms go on; please report it with the log"
        reason = str(error) or "no answer in time"
        self._complain(self._key, f"{self._camera}: {trouble} ({reason}): {remedy}")


def _suggest(known: KnownSuggestions, sources: _Sources) -> tuple[KnownSuggestions, bytes]:
    """Find suggestions and draw their picture."""
    events = []
    for text in reversed(sources.verdicts):
        verdict = json.loads(text)
        event = PastEvent.from_verdict(verdict, sources.thumbs.get(verdict["event_id"]))
        if event is not None:
            events.append(event)
    history = History(events=events, recurrence=sources.recurrence)
    renewed = known.renewed(suggest_zones(history, sources.zones))
    frame = clearest_frame(sources.bursts) if renewed.offered else None
    if frame is None:
        return renewed, b""
    return renewed, encode_jpeg(draw_suggestions(frame, sources.recurrence, renewed.offered))


def _load(folder: Path) -> tuple[KnownSuggestions, bytes]:
    known, picture = KnownSuggestions.load(folder / FILE), b""
    if known.offered:
        with contextlib.suppress(FileNotFoundError):
            picture = (folder / PICTURE_FILE).read_bytes()
    return known, picture


def _load_frames(camera: str, event_id: str, store: EventStore) -> list[bytes]:
    return store.frames.load(camera, event_id)


def _save(folder: Path, known: KnownSuggestions, picture: bytes) -> None:
    known.save(folder / FILE)
    if picture:
        write_atomically(folder / PICTURE_FILE, picture)
    else:
        (folder / PICTURE_FILE).unlink(missing_ok=True)
