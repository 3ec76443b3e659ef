"""Heat maps of NG parts: where the bundles looked that made them NG. Made beside the line, which never waits for them.

A thread asks a worker process of the lowest priority for one map after the other. What comes faster than it explains is left
out, the oldest parts first.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError, EngineError, InspectorError, StorageError
from inspector.core.types import Inspection, JudgedBy, Verdict
from inspector.engines.explainer import Explainer
from inspector.inspection.parts import weight_of
from inspector.inspection.status import StationStatus
from inspector.recipes.locate import find_bundle
from inspector.recipes.recipe import Recipe
from inspector.results.heat import Keep, PartHeat, class_of, decisive, output_of
from inspector.results.records import bundle_name
from inspector.results.sink import Sink
from inspector.station.edge import Edge

MOST_WAITING: Final = 256  # parts
_MOST_BYTES: Final = 256 * 1024 * 1024  # of their frames
_MOST_OPEN: Final = 2  # worker processes, each of a bundle: some hundred megabytes
_AGAIN_S: Final = 60.0  # pause before a bundle is tried again whose worker cannot be used
_GIVE_UP_S: Final = 10.0  # longest wait for a map that is being kept: its disk may hang
_Place = tuple[Path, str | None]  # of a bundle: its folder and fingerprint; another one may take its place

log = logging.getLogger(__name__)


class HeatSink(Sink):
    """Has the NG parts explained whose recipe says so, and hands their maps on. Never waits for a map.

    `base`: the recipe's folder, in which its bundles are searched; may change while the line runs.
    """

    name = "heat"
    drop = "oldest"

    def __init__(self, keep: Sequence[Keep], *, base: Path | None = None, low_priority: bool = True) -> None:
        """`keep`: receive the maps of a part, on the thread of this sink. They may raise StorageError.

        `low_priority`: leave the processor to the line.
        """
        self.base = base
        self.made = 0  # parts whose maps were handed on
        self._keep = keep
        self._low_priority = low_priority
        self._waiting: Edge[Inspection] = Edge(MOST_WAITING, drop="oldest", capacity=_MOST_BYTES, weigh=weight_of)
        self._failures = 0  # parts that could not be explained, or whose maps could not be kept
        self._wanted: dict[str, bool] = {}  # by the recipe's hash
        self._usual = False
        self._explainers: OrderedDict[_Place, Explainer] = OrderedDict()
        self._lock = threading.Lock()  # of the explainers, and of the end
        self._gave_up = False
        self._failed: dict[_Place, float] = {}  # monotonic seconds when a bundle's worker could not be used
        self._problem: InspectorError | None = None
        self._thread: threading.Thread | None = None

    @property
    def missed(self) -> int:
        """Number of NG parts that were to be explained and are not."""
        return self._waiting.drops + self._failures + (len(self._waiting) if self._gave_up else 0)

    @property
    def problem(self) -> InspectorError | None:
        """Why the last part was not explained, or its maps not kept; None if they were."""
        return self._problem

    def open(self, status: StationStatus) -> None:
        self._usual = status.recipe is not None and status.recipe.archive.heat

    def take(self, inspection: Inspection) -> None:
        """Note an NG part. Raises what keeps maps from being made or kept, until that is over."""
        if inspection.verdict is Verdict.NG and inspection.frames and self._is_wanted(inspection.judged_by):
            self._waiting.put(inspection)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heat-maps", daemon=True)
                self._thread.start()
        if self._problem is not None:
            raise self._problem

    def close(self, status: StationStatus) -> None:
        """Let the thread end once every part that waits is explained; see `finish`."""
        del status
        self._waiting.close()

    def finish(self, timeout: float | None = None) -> bool:
        """Wait until what waited at the close is explained, at most `timeout` seconds; return whether it is."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def give_up(self) -> None:
        """End the worker processes now, and wait for the thread, but not for a disk that hangs.

        What waits is not explained.
        """
        with self._lock:
            self._gave_up = True
            explainers = list(self._explainers.values())
        self._waiting.close()
        for explainer in explainers:
            explainer.abort()
        self.finish(_GIVE_UP_S)

    def _is_wanted(self, judged_by: JudgedBy) -> bool:
        """Return whether the recipe in force asks for maps: it may change while the line runs."""
        digest = judged_by.recipe_digest
        if digest not in self._wanted and digest in judged_by.documents:
            self._wanted[digest] = Recipe.model_validate_json(judged_by.documents[digest]).archive.heat
        return self._wanted.get(digest, self._usual)

    # ---- the thread --------------------

    def _run(self) -> None:
        try:
            while (waiting := self._waiting.take()) and not self._gave_up:
                before = self.made
                try:
                    self._explain(waiting[0])
                except InspectorError as error:
                    self._problem = None if self._gave_up else error
                except Exception as error:  # thread boundary: the next part must have its chance
                    log.exception("A heat map failed")
                    self._problem = StorageError("This program has a defect: {detail}.", detail=repr(error))
                self._failures += self.made == before
        finally:
            with self._lock:
                explainers = list(self._explainers.values())
                self._explainers.clear()
            for explainer in explainers:
                explainer.close()

    def _explain(self, inspection: Inspection) -> None:
        """Make and hand on the maps of a part. Raises InspectorError."""
        found = []
        judged = inspection.judged_by.bundles
        for judgement in decisive(inspection):
            explainer = self._explainer(judgement.bundle, judged.get(judgement.bundle))
            if explainer is None:
                return  # its worker could not be used a moment ago
            try:
                heat = explainer.explain(
                    inspection.frames[judgement.camera],
                    region=judgement.region,
                    class_index=class_of(inspection, judgement),
                    output=output_of(inspection, judgement),
                )
            except EngineError:
                self._put_aside(explainer)
                raise
            found.append(PartHeat(judgement.camera, bundle_name(judgement.bundle), heat))
        if found:
            for keep in self._keep:
                keep(inspection, found)
            self.made += 1
        self._problem = None

    def _explainer(self, name: str, fingerprint: str | None) -> Explainer | None:
        """Return the explainer of the bundle that judged. Raises InspectorError; then None is returned for a while."""
        folder = find_bundle(name, self.base).resolve()
        place = folder, fingerprint
        failed = self._failed.get(place)
        if failed is not None and time.monotonic() - failed < _AGAIN_S:
            return None
        explainer = self._explainers.get(place)
        if explainer is not None:
            self._explainers.move_to_end(place)
            return explainer
        self._failed[place] = time.monotonic()
        bundle = Bundle.open(folder)
        if fingerprint not in (None, bundle.fingerprint):
            raise ConfigError(
                "The bundle {bundle} is not the one that judged: no heat map is kept of its parts.",
                remedy="Start the line again, so that the new bundle judges.",
                bundle=name,
            )
        while len(self._explainers) >= _MOST_OPEN:
            self._explainers.popitem(last=False)[1].close()
        explainer = Explainer(bundle, low_priority=self._low_priority)
        with self._lock:
            self._explainers[place] = explainer
            gave_up = self._gave_up
        if gave_up:
            explainer.abort()
        try:
            explainer.layers()
        except InspectorError:
            self._put_aside(explainer)
            raise
        del self._failed[place]
        return explainer

    def _put_aside(self, explainer: Explainer) -> None:
        """Close an explainer whose worker failed; its bundle is opened and looked at anew after a while."""
        place = next(place for place, one in self._explainers.items() if one is explainer)
        with self._lock:
            del self._explainers[place]
        self._failed[place] = time.monotonic()
        explainer.close()
