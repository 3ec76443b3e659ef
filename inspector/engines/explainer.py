"""Heat maps for the window and the command line: Grad-CAM in a worker process that stays open between requests."""

from dataclasses import dataclass

import cv2
import numpy as np

from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError
from inspector.core.types import Floats, Frame, Region
from inspector.engines.remote import WorkerLink
from inspector.imaging.preprocessing import InputSpec, prepare, view, whole, wrong_unit
from inspector.workers.jobs import ExplainJob
from inspector.workers.messages import Explained, ExplainMethod, ExplainRequest
from inspector.workers.process import WorkerProcess

_PATIENCE = 10.0  # times longer than usual, of a worker at low priority


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """A heat map of a frame.

    `values` float32 [h, w], 0..1, covers `region` of the frame at the network's resolution; all 0 if nothing contributed to the
    explained number. `class_name` is "" for thermal bundles. `target` is the explained number: a class score before the
    softmax, a box's score, a sum of mask logits, or kelvin; of an imported network a class score or the sum of a mask.
    """

    values: Floats
    region: Region
    layer: str
    class_name: str
    target: float

    def in_region(self) -> Floats:
        """Return the values in the pixels of `region`."""
        size = (self.region.width, self.region.height)
        return np.asarray(cv2.resize(self.values, size, interpolation=cv2.INTER_LINEAR), np.float32)

    def on_input(self, spec: InputSpec) -> Floats:
        """Return the values in the pixels of the network's input, 0 where it shows nothing of the frame."""
        content = view(self.region, spec).content(spec)
        shown = np.zeros((spec.height, spec.width), np.float32)
        shown[content.y : content.bottom, content.x : content.right] = self.values
        return shown


def check_inside(region: Region, frame: Frame) -> None:
    """Raise ConfigError unless a region lies inside a frame."""
    if not region.fits(frame.width, frame.height):
        raise ConfigError(
            "The region {x},{y},{w},{h} does not fit into a frame of {width} x {height} pixels.",
            remedy="Give a region inside the frame.",
            x=region.x,
            y=region.y,
            w=region.width,
            h=region.height,
            width=frame.width,
            height=frame.height,
        )


class Explainer:
    """Explains predictions of one bundle.

    Calls block; used by one thread at a time. The worker starts with the first request.
    """

    def __init__(self, bundle: Bundle, *, low_priority: bool = False) -> None:
        """`low_priority`: leave the processor to a running inspection; an answer may then take minutes."""
        self._bundle = bundle
        self._low_priority = low_priority
        self._link: WorkerLink | None = None
        self._process: WorkerProcess | None = None
        self._aborted = False

    def layers(self) -> list[str]:
        """Return the layers that can be explained; the first is the default. Raises EngineError or ConfigError."""
        return list(self._open().ready.layers)

    def explain(
        self,
        frame: Frame,
        *,
        region: Region | None = None,
        layer: str | None = None,
        class_index: int | None = None,
        box: tuple[float, float, float, float] | None = None,
        output: int | None = None,
        method: ExplainMethod | None = None,
    ) -> HeatMap:
        """Explain the prediction for `region` (default: the whole frame).

        `class_index`: the class, by default the predicted one. `box`: (left, top, right, bottom) in frame pixels, detection
        only: explain this box rather than all of its class. `output`: thermal only, 0, 1, 2 for maximum, mean, minimum. Raises
        EngineError, or ConfigError for a region, class or layer that does not exist.
        """
        region = region or whole(frame.pixels)
        check_inside(region, frame)
        spec = self._bundle.card.input
        problem = wrong_unit(spec, frame, self._bundle.name, name=frame.source)
        if problem is not None:
            raise ConfigError(problem.template, remedy="Give a frame of the other kind.", **problem.values)
        link = self._open()
        geometry = view(region, spec)
        prepare(frame.pixels, spec, region, out=link.input[0], bits=frame.bits)
        in_input = None if box is None else tuple(geometry.to_input(np.asarray([box], np.float32))[0].tolist())
        request = ExplainRequest(layer=layer, class_index=class_index, box=in_input, output=output, method=method)
        try:
            reply = link.call(request, Explained)
        except BaseException:
            if link.closed:
                self._link = None
            raise
        content = geometry.content(spec)
        values = link.output[content.y : content.bottom, content.x : content.right].copy()
        name = "" if reply.class_index is None else self._bundle.card.classes[reply.class_index]
        return HeatMap(values, geometry.region, reply.layer, name, reply.target or 0.0)

    def close(self) -> None:
        """End the worker. May be called twice; a later request starts a new worker."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def abort(self) -> None:
        """End the worker now and for good. A call that waits in another thread raises EngineError."""
        self._aborted = True
        if self._process is not None:
            self._process.cancel()

    def _open(self) -> WorkerLink:
        if self._link is None:
            bundle, low = self._bundle.folder.resolve(), self._low_priority
            self._link = WorkerLink(
                self._bundle,
                lambda folder: ExplainJob(bundle=bundle, folder=folder, low_priority=low),
                started=self._started,
                patience=_PATIENCE if low else 1.0,
            )
        return self._link

    def _started(self, process: WorkerProcess) -> None:
        self._process = process
        if self._aborted:  # aborted while the process was starting
            process.cancel()
