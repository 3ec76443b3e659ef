"""Heat maps of NG parts in the archive: a record each, sealed in the chain like the inspection that it belongs to."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np

from inspector.archive.contents import heat_content
from inspector.archive.keys import StationKey
from inspector.archive.recording.interrupted import finish_interrupted
from inspector.archive.recording.journal import open_journal
from inspector.archive.recording.sinks import JournalSink
from inspector.core.errors import StorageError
from inspector.core.types import Floats, Inspection, Region
from inspector.engines.explainer import HeatMap
from inspector.results.heat import Keep, PartHeat
from inspector.results.sink import Sink

LARGEST: Final = 96  # sides of a map in a record, in pixels: layers are coarser than that, and a record stays small
_MOST_BYTES: Final = 1 << 20  # of a map that is read


def heat_keepers(sinks: Sequence[Sink]) -> list[Keep]:
    """Return what keeps heat maps in the archives that are among the sinks of a line."""
    return [_keeper(sink) for sink in sinks if isinstance(sink, JournalSink)]


def _keeper(records: JournalSink) -> Keep:
    """Return what writes a part's maps to the journal of its run, or to another one once that run has ended."""

    def keep(inspection: Inspection, maps: Sequence[PartHeat]) -> None:
        name = records.name_of(inspection)
        if name is None:
            raise StorageError("The record of {part} is too old for a heat map.", part=inspection.part)
        content = heat_content(name, [content_of(one) for one in maps])
        if records.submit_beside(content):
            return
        journal = open_journal(records.archive, StationKey(records.archive))
        try:
            finish_interrupted(journal)
            journal.submit(content)
        finally:
            journal.close()

    return keep


def content_of(found: PartHeat) -> dict[str, Any]:
    """Return a map as JSON, its values as a PNG file of 8-bit grey."""
    heat, region = found.heat, found.heat.region
    height, width = heat.values.shape
    shrink = min(1.0, LARGEST / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = cv2.resize(heat.values, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".png", np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8))
    return {
        "camera": found.camera,
        "bundle": found.bundle,
        "region": [region.x, region.y, region.width, region.height],
        "class": heat.class_name,
        "layer": heat.layer,
        "target": heat.target,
        "png": base64.b64encode(data.tobytes()).decode("ascii"),
    }


def heat_of(content: Mapping[str, Any]) -> PartHeat:
    """Return a map of `content_of`. Raises ValueError for one that is damaged."""
    try:
        data = np.frombuffer(base64.b64decode(content["png"], validate=True), np.uint8)
        pixels = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if 0 < data.size <= _MOST_BYTES else None
        if pixels is None:
            raise ValueError("no picture")
        values: Floats = pixels.astype(np.float32) / np.float32(255)
        heat = HeatMap(
            values, Region(*content["region"]), str(content["layer"]), str(content["class"]), float(content["target"])
        )
        return PartHeat(str(content["camera"]), str(content["bundle"]), heat)
    except (KeyError, TypeError, ValueError, cv2.error) as error:
        raise ValueError(f"a heat map cannot be read ({error})") from error
