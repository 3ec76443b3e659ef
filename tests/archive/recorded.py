"""A run that was recorded without a station, for tests of what an archive is good for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from inspector.archive.contents import RunContext
from inspector.archive.recording.sinks import archive_sinks
from inspector.bench.archiving.kill import made_inspection
from inspector.core.types import Frame, Inspection, Prediction, Verdict
from inspector.inspection.status import StationStatus
from inspector.recipes.recipe import ArchiveModel, CameraModel, InspectModel, Recipe
from inspector.station.counters import Counters
from inspector.station.ledgers import Ledgers
from inspector.station.outputs import Outputs

COUNT = 23  # NG: 0, 7, 14, 21; REVIEW: 11, 22


def record_run(
    folder: Path,
    lot: str,
    names: str,
    *,
    count: int = COUNT,
    url: str = "",
    cameras: Sequence[str] = ("top",),
    predictions: tuple[Prediction, ...] = (),
    is_simulated: bool = False,
) -> list[Inspection]:
    """Record inspections as a station does; every fifth OK part's images are kept. Each camera has frames of its own.

    `predictions`: of every part that is not OK.
    """
    model = InspectModel(bundle="states", camera="top")
    settings = ArchiveModel(ok_every=5)
    recipe = Recipe(name="plates", cameras={"top": CameraModel(source="bench")}, inspect=(model,), archive=settings)
    made = [made_inspection(number, part=names.format(number)) for number in range(count)]
    made = [
        replace(one, frames={name: _seen_by(name, number, one, is_simulated) for number, name in enumerate(cameras)})
        for one in made
    ]
    made = [one if one.verdict is Verdict.OK else replace(one, predictions=predictions) for one in made]
    sinks = archive_sinks(RunContext(station="bench", lot=lot, shift="A", operator="Ann"), folder=folder, url=url)
    outputs, status = Outputs(sinks, Counters(), lambda *_: None, Ledgers()), StationStatus(recipe=recipe)
    outputs.open(status)
    for inspection in made:
        outputs.part_opened(inspection.sequence, inspection.part)
        outputs.put([inspection], wait=True)
    outputs.close(lambda: status)
    return made


def _seen_by(camera: str, number: int, inspection: Inspection, is_simulated: bool) -> Frame:
    frame = inspection.frames["top"]
    return replace(frame, camera=camera, pixels=frame.pixels + np.uint8(number), is_simulated=is_simulated)
