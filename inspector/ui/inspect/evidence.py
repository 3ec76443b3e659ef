"""What to show of a part that failed: the camera whose rule fired, and the frame around the defect."""

import math
from typing import Final, assert_never

import numpy as np

from inspector.core.types import (
    Boxes,
    Frame,
    Inspection,
    Judgement,
    Masks,
    Prediction,
    Region,
    Scores,
    Temperatures,
    Verdict,
)
from inspector.tasks.masks import areas

ROOM: Final = 2.5  # side of the cut-out, in sides of the defect
REGION_ROOM: Final = 1.1  # the same where all of the judged region is what is wrong
SMALLEST: Final = 0.15  # least side of the cut-out, in sides of the frame
SPOT_PX: Final = 4  # half of the side taken for a hot spot


def fired(inspection: Inspection) -> Judgement | None:
    """Return the judgement that decided the verdict; None if a failure did, or nothing."""
    found = [judgement for judgement in inspection.judgements if judgement.verdict is inspection.verdict]
    return next(iter(found), None) if inspection.verdict is not Verdict.OK else None


def evidence(inspection: Inspection, *, aspect: float) -> tuple[Frame, Region] | None:
    """Return the frame in which a rule fired, and the place around the defect, about `aspect` times as wide as high.

    Without a fired rule: the whole first frame, colour before temperatures. None without frames.
    """
    judgement = fired(inspection)
    frame = None if judgement is None else inspection.frames.get(judgement.camera)
    if judgement is None or frame is None:
        frame = _recognisable(inspection)
        return None if frame is None else (frame, Region(0, 0, frame.width, frame.height))
    defects = [place for prediction in _judged(inspection, judgement) for place in _places(prediction, judgement.name)]
    place = max(defects, key=lambda defect: defect[1], default=(judgement.region, 0.0))[0]
    return frame, _around(place, frame, aspect, room=REGION_ROOM if place == judgement.region else ROOM)


def class_of(inspection: Inspection) -> str:
    """Return the class or classes that the rule that fired is about; "" for none."""
    judgement = fired(inspection)
    return "" if judgement is None or judgement.name == "-" else judgement.name


def _recognisable(inspection: Inspection) -> Frame | None:
    frames = sorted(inspection.frames.values(), key=lambda frame: frame.unit != "intensity")
    return next(iter(frames), None)


def _judged(inspection: Inspection, judgement: Judgement) -> list[Prediction]:
    key = (judgement.bundle, judgement.camera, judgement.region)
    return [found for found in inspection.predictions if (found.bundle, found.camera, found.region) == key]


def _places(prediction: Prediction, names: str) -> list[tuple[Region, float]]:
    """Return where a prediction found these classes, each with its weight: score, area or temperature."""
    wanted = {index for index, name in enumerate(prediction.classes) if name in names.split(", ")}
    match prediction.answer:
        case Boxes() as boxes:
            rows = zip(boxes.xyxy.tolist(), boxes.scores.tolist(), boxes.classes.tolist(), strict=True)
            return [(_region(xyxy), score) for xyxy, score, index in rows if index in wanted or not wanted]
        case Masks():
            found = areas(prediction, prediction.threshold)
            return [(area.bbox, area.area_px) for area in found if area.class_index in wanted or not wanted]
        case Temperatures(hot_spots=spots):
            side = 2 * SPOT_PX
            return [(Region(max(s.x - SPOT_PX, 0), max(s.y - SPOT_PX, 0), side, side), s.kelvin) for s in spots]
        case Scores():
            return [(prediction.region, 0.0)]
        case _:
            assert_never(prediction.answer)


def _region(xyxy: list[float]) -> Region:
    left, top, right, bottom = xyxy
    x, y = max(math.floor(left), 0), max(math.floor(top), 0)
    return Region(x, y, max(math.ceil(right) - x, 1), max(math.ceil(bottom) - y, 1))


def _around(place: Region, frame: Frame, aspect: float, *, room: float) -> Region:
    """Return a larger place of this aspect around a defect, moved inside the frame. `room`: how much larger."""
    width = max(place.width * room, frame.width * SMALLEST)
    height = max(place.height * room, frame.height * SMALLEST)
    width, height = max(width, height * aspect), max(height, width / aspect)
    wide, high = (int(np.clip(round(side), 1, most)) for side, most in ((width, frame.width), (height, frame.height)))
    x = int(np.clip(place.x + place.width / 2 - wide / 2, 0, frame.width - wide))
    y = int(np.clip(place.y + place.height / 2 - high / 2, 0, frame.height - high))
    return Region(x, y, wide, high)
