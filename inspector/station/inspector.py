"""Inspecting one part at a time, without threads: for predict, the review page and anything else that holds frames."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from inspector.core.message import Message
from inspector.core.types import Frame, Inspection
from inspector.core.variants import Precision
from inspector.recipes.recipe import Recipe
from inspector.station.analysis import Analyser
from inspector.station.parts import Part, Shot, conclude
from inspector.station.program import Program, load_program
from inspector.station.quality import check_quality


class PartInspector:
    """Judges frames as the station does: the same checks, preparation, engines, decoding and rules."""

    def __init__(
        self, recipe: Recipe, base: Path | None = None, *, engine: str | None = None, precision: Precision | None = None
    ) -> None:
        """Verify the bundles and open the engines; takes seconds. `base`: the recipe's folder; the others: `runtime_of`.

        Raises ConfigError or EngineError.
        """
        self._analyser = Analyser(load_program(recipe, base, engine=engine, precision=precision))
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
        """The record of a part of which no frame could be made, for example because its file cannot be read."""
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


def shoot(frame: Frame, camera: str, program: Program, *, problem: Message | None = None, live: bool = False) -> Shot:
    """A frame with what its picture itself shows to be wrong. `problem`: what is known to be wrong with it already."""
    gate = program.recipe.cameras[camera].gate if camera in program.recipe.cameras else None
    if problem is None and gate is not None:
        problem = check_quality(frame, gate, levels=program.levels(camera))
    return Shot(frame, problem, frame.source, live, frame.part)
