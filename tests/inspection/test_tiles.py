"""Tiles through the engines of the station: the same answers as for each tile by itself, joined over the frame."""

import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from inspector.bundles.bundle import Bundle, write_card
from inspector.cameras.demo.line import PLATE, DemoLine
from inspector.core.errors import ConfigError
from inspector.core.storage.paths import models
from inspector.core.types import Annotation, Boxes, Frame, Masks, Pixels, Region
from inspector.engines.base import open_engine
from inspector.imaging.preprocessing import prepare, view
from inspector.imaging.tiling import Tiling
from inspector.inspection.batch_inference import BatchInference
from inspector.inspection.parts import FrameCapture, Part, PartResult, conclude
from inspector.inspection.program import Program, load_program
from inspector.ml.evaluate import Item, predict_items
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.recipes.recipe import Recipe
from inspector.tasks.boxes import box_iou

SIDE, ROWS, COLUMNS = min(PLATE.width, PLATE.height), 2, 3
TILING = Tiling(size=SIDE)


def plates(count: int) -> list[Pixels]:
    """Square pieces of the demo line's plates, most of them with defects."""
    line = DemoLine(5, good=0.2)
    frames = (line.part(index).visible for index in range(count))
    return [np.ascontiguousarray(one[PLATE.y : PLATE.y + SIDE, PLATE.x : PLATE.x + SIDE]) for one in frames]


def recipe_of(*bundles: str | Path, tiles: Tiling | None = None) -> Recipe:
    recipe = recipe_for(bundles, "folder:unused")
    steps = tuple(step.model_copy(update={"tiles": tiles}) for step in recipe.inspect)
    return recipe.model_copy(update={"inspect": steps, "max_batch": 4})


def frame_of(pixels: Pixels) -> Frame:
    return Frame(pixels, CAMERA, 0, time.monotonic(), datetime.now(UTC))


def analysed(program: Program, *frames: Pixels) -> list[PartResult]:
    parts = []
    for number, pixels in enumerate(frames):
        part = Part(str(number), number, time.monotonic())
        part.captures[CAMERA] = FrameCapture(frame_of(pixels))
        parts.append(part)
    with BatchInference(program) as inference:
        results = inference.analyse(parts)
    verdicts = [conclude(part, result, program).verdict for part, result in zip(parts, results, strict=True)]
    assert all((verdict == "NOT_INSPECTED") == bool(result.failures) for verdict, result in zip(verdicts, results, strict=True))
    return results


def test_a_frame_in_tiles_is_answered_like_its_pieces_in_batches_of_the_same_engine() -> None:
    pieces = plates(ROWS * COLUMNS)
    mosaic = np.concatenate([np.concatenate(pieces[row * COLUMNS : (row + 1) * COLUMNS], axis=1) for row in range(ROWS)])
    shipped = [models() / name for name in ("plate-defects", "plate-mask")]
    alone = analysed(load_program(recipe_of(*shipped)), *pieces)
    (joined,) = analysed(load_program(recipe_of(*shipped, tiles=TILING)), mosaic)
    assert not joined.failures
    boxes, masks = joined.predictions
    assert boxes.region == masks.region == Region(0, 0, COLUMNS * SIDE, ROWS * SIDE)
    assert {"prepare", "infer", "decode"} <= joined.timings_ms.keys()
    found, wanted = boxes.expect(Boxes), [result.predictions[0].expect(Boxes) for result in alone]
    moved = [
        own.xyxy + np.array([SIDE * (index % COLUMNS), SIDE * (index // COLUMNS)] * 2, np.float32)
        for index, own in enumerate(wanted)
    ]
    assert len(found) == sum(map(len, wanted)) > ROWS * COLUMNS
    assert (box_iou(np.concatenate(moved), found.xyxy).max(axis=1) > 0.999).all()
    planes = masks.expect(Masks).planes
    for index, result in enumerate(alone):
        own = result.predictions[1].expect(Masks).planes
        y, x = own.shape[1] * (index // COLUMNS), own.shape[2] * (index % COLUMNS)
        np.testing.assert_array_equal(planes[:, y : y + own.shape[1], x : x + own.shape[2]], own)


def test_the_tiles_of_a_bundle_hold_at_the_station_and_where_it_is_measured(tmp_path: Path) -> None:
    """The card's tiles, with an overlap; a wrong size fails the part in a sentence."""
    tiling = Tiling(size=SIDE, overlap=SIDE // 4)
    bundle = Bundle.open(models() / "plate-defects").copy_to(tmp_path / "tiled")
    bundle = write_card(bundle.folder, bundle.card.model_copy(update={"tiles": tiling}))
    mosaic = np.concatenate(plates(2), axis=1)
    program = load_program(recipe_of(bundle.folder))
    (result,) = analysed(program, mosaic)
    (prediction,) = result.predictions
    frame, region = frame_of(mosaic), Region(0, 0, 2 * SIDE, SIDE)

    item = Item(
        prepare(mosaic, bundle.card.input),
        view(region, bundle.card.input),
        frame,
        Annotation(),
        tiles=tuple(tiling.tiles(region)),
    )
    assert len(item.tiles) == 3
    with open_engine("openvino", bundle) as engine:
        ((_, measured),) = predict_items(engine.infer, bundle.card, [item])
    here, there = prediction.expect(Boxes), measured.expect(Boxes)
    np.testing.assert_allclose(here.xyxy, there.xyxy, atol=0.01)
    np.testing.assert_allclose(here.scores, there.scores, atol=1e-4)
    (small,) = analysed(program, mosaic[: SIDE - 10])
    assert not small.predictions
    assert [problem.text for problem in small.failures] == [
        f"A tile of {SIDE} px is larger than the image or region of {2 * SIDE} x {SIDE - 10} px."
    ]


def test_tiles_are_for_boxes_and_masks() -> None:
    with pytest.raises(ConfigError, match="answers for whole images"):
        load_program(recipe_of(models() / "window-state", tiles=TILING))
