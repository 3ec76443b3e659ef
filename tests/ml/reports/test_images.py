"""Pictures of wrong answers say what is there and what was said, and nothing of what nobody labelled."""

from pathlib import Path

import numpy as np
from PIL import Image

from inspector.core.types import IGNORE, Annotation, Masks, Region
from inspector.ml.reports.images import write_worst
from inspector.ml.train.quality import Wrong
from inspector.tasks.statistics.mistakes import Mistake
from tests.tasks.making import frame, predicted


def test_regions_that_nobody_labelled_have_no_outline(tmp_path: Path) -> None:
    truth = np.zeros((400, 400), np.uint8)
    truth[100:200, 50:150] = IGNORE
    truth[100:200, 250:350] = 1
    answer = Masks(np.zeros((1, 400, 400), np.uint8))
    prediction = predicted("segmentation", Region(0, 0, 400, 400), ("hole",), answer=answer)
    wrong = Wrong(
        Mistake("hole 10000 px", "-", 1.0, 0.0),
        "a.png",
        frame(np.full((400, 400), 128, np.uint8)),
        prediction,
        Annotation(mask=truth),
    )
    (worst,) = write_worst(tmp_path, [wrong], threshold=0.5)
    picture = np.asarray(Image.open(tmp_path / worst.image), np.int16)
    green = picture[..., 1] - picture[..., 0] > 60
    half = green.shape[1] // 2
    assert not green[:, :half].any()
    assert green[:, half:].sum() > 400
