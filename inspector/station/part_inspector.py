"""Inspection of one part at a time without threads, for predict, the review page and other holders of frames."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from inspector.core.message import Message
from inspector.core.types import Frame, Inspection, Precision
from inspector.inspection.batch_inference import BatchInference
from inspector.inspection.parts import FrameCapture, Part, capture_of, conclude
from inspector.inspection.program import Program, load_program
from inspector.recipes.recipe import Recipe


class PartInspector:
    """Judges frames as the station does: the same checks, preparation, variants, decoding and rules.

    A variant tuned for this computer is used here too, unless a person asks for another, so that verdicts match the line's. A
    tuned variant that became slow is still used, because speed does not matter here.
    """

    def __init__(
        self, recipe: Recipe, base: Path | None = None, *, engine: str | None = None, precision: Precision | None = None
    ) -> None:
        """Verify the bundles and open the engines; takes seconds. `base`: the recipe's folder; the others: `runtime_of`.

        Raises ConfigError or EngineError.
        """
        program = load_program(recipe, base, engine=engine, precision=precision)
        if engine is None and precision is None:
            from inspector.tuning.store import decide

            program = decide(program, test_s=None).apply(program)
        self._inference = BatchInference(program)
        self._inference.open()
        self._sequence = 0

    @property
    def recipe(self) -> Recipe:
        """The complete recipe, with all values that it left to the bundles."""
        return self._inference.program.recipe

    @property
    def program(self) -> Program:
        return self._inference.program

    def inspect(self, frames: Mapping[str, Frame], *, name: str = "") -> Inspection:
        """Judge one part from its frames by camera name. Never raises for a frame: the verdict is then NOT_INSPECTED."""
        part = self._part(name or next((frame.part for frame in frames.values() if frame.part), ""))
        for camera, frame in frames.items():
            part.captures[camera] = capture_of(frame, camera, self._inference.program)
        part.opened = part.grabbed()
        return conclude(part, self._inference.analyse([part])[0], self.program)

    def uninspected(self, problem: Message, *, source: str, name: str = "") -> Inspection:
        """Return the record of a part without a frame, for example because its file cannot be read."""
        part = self._part(name)
        camera = next(iter(self.recipe.cameras))
        part.captures[camera] = FrameCapture(None, problem, source)
        return conclude(part, self._inference.analyse([part])[0], self.program)

    def close(self) -> None:
        """Close the engines; may be called twice."""
        self._inference.close()

    def _part(self, name: str) -> Part:
        sequence = self._sequence
        self._sequence += 1
        return Part(name or str(sequence), sequence, time.monotonic())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
