"""A network learns tiles of large images, and is measured on whole ones."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from inspector.core.errors import ConfigError
from inspector.imaging.tiling import Tiling
from inspector.ml.train import trainer
from inspector.runs.settings import train_settings
from tests.ml.making import Told
from tests.ml.plates import classification_plates, detection_plates, segmentation_plates

NETWORK = {"detection": "simple_yolo", "segmentation": "unet"}


@pytest.mark.parametrize(("task", "folder"), [("detection", detection_plates), ("segmentation", segmentation_plates)])
def test_tiles_are_learnt_and_whole_images_measured(task: str, folder: object, tmp_path: Path) -> None:
    assert callable(folder)
    data = folder(tmp_path / "data", "small", count=20, side=160)
    settings = {"task": task, "network": NETWORK[task], "data": data, "out": tmp_path / "bundle", "options": {"filters": 4}}
    settings |= {"width": 64, "height": 64, "tile": 64, "tile_overlap": 16, "epochs": 2, "batch": 8, "threads": 1}
    bundle = trainer.train(train_settings({**settings, "val": 0.2, "test": 0.2}), Told())  # type: ignore[arg-type]
    card = bundle.card
    assert card.tiles == Tiling(size=64, overlap=16)
    assert card.dataset["test"] == 4  # images
    assert int(str(card.dataset["train"])) > 12  # tiles
    assert int(str(card.dataset["val"])) > 4


def test_tiles_that_no_image_or_task_allows_are_refused(tmp_path: Path) -> None:
    data = detection_plates(tmp_path / "data", "small", count=12, side=64)
    settings = {"task": "detection", "data": data, "out": tmp_path / "bundle", "width": 32, "height": 32, "threads": 1}
    with pytest.raises(ConfigError, match="No image is as large as a tile of 128 px"):
        trainer.train(train_settings({**settings, "tile": 128}), Told())  # type: ignore[arg-type] # has the methods of Report
    with pytest.raises(ConfigError, match="at most half of their size"):
        train_settings({**settings, "tile": 32, "tile_overlap": 20})
    plates = classification_plates(tmp_path / "classes", "small", count=16, side=64)
    with pytest.raises(ConfigError, match="answers for whole images"):
        trainer.train(train_settings({**settings, "task": "classification", "data": plates, "tile": 32}), Told())  # type: ignore[arg-type]
