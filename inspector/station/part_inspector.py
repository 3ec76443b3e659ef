"""Inspecting one part at a time, without threads: for predict, the review page and anything else that holds frames."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from inspector.core.message import Message
from inspector.core.types import Frame, Inspection, Precision
from inspector.inspection.analysis import Analyser
from inspector.inspection.parts import Part, Shot, conclude, shoot
from inspector.inspection.program import Program, load_program
from inspector.recipes.recipe import Recipe
from inspector.tuning.store import decide


class PartInspector:
    """Judges frames as the station does: the same checks, preparation, variants, decoding and rules.

    Where a choice was tuned for this computer and nobody asks for another, it judges here, too, so that a verdict away from the
    line is the line's. Here nothing depends on how quickly it comes: a choice that became slow is not passed over.
    """

    def __init__(
        self, recipe: Recipe, base: Path | None = None, *, engine: str | None = None, precision: Precision | None = None
    ) -> None:
        """Verify the bundles and open the engines; takes seconds. `base`: the recipe's folder; the others: `runtime_of`.

        Raises ConfigError or EngineError.
        """
        program = load_program(recipe, base, engine=engine, precision=precision)
        if engine is None and precision is None:
            program = decide(program, test_s=None).apply(program)
        self._analyser = Analyser(program)
        self._analyser.open()
        self._sequence = 0

    @property
    def recipe(self) -> Recipe:
        """The recipe with everything filled in that it left to the bundles."""
        return self._analyser.program.recipe

    @property
    def program(self) -> Program:
        return self._analyser.program

    def inspect(self, frames: Mapping[str, Frame], *, name: str = "") -> Inspection:
        """Judge one part from its frames by camera name. Never raises for a frame: it gives NOT_INSPECTED."""
        part = self._part(name or next((frame.part for frame in frames.values() if frame.part), ""))
        for camera, frame in frames.items():
            part.shots[camera] = shoot(frame, camera, self._analyser.program)
        part.opened = part.grabbed()
        return conclude(part, self._analyser.analyse([part])[0], self.recipe)

    def uninspected(self, problem: Message, *, source: str, name: str = "") -> Inspection:
        """Return the record of a part of which no frame could be made, for example because its file cannot be read."""
        part = self._part(name)
        camera = next(iter(self.recipe.cameras))
        part.shots[camera] = Shot(None, problem, source)
        return conclude(part, self._analyser.analyse([part])[0], self.recipe)

    def close(self) -> None:
        """Close the engines; may be called twice."""
        self._analyser.close()

    def _part(self, name: str) -> Part:
        sequence = self._sequence
        self._sequence += 1
        return Part(name or str(sequence), sequence, time.monotonic())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
