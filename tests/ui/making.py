"""Frames, predictions, inspections and a real bundle for the tests of canvas, tabs and review page."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from inspector.bundles.bundle import GRAPH, WEIGHTS, Card, write_bundle
from inspector.core.types import (
    Boxes,
    Frame,
    HotSpot,
    Inspection,
    Masks,
    Prediction,
    Region,
    Temperatures,
)
from inspector.imaging.preprocessing import InputSpec
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, RegionModel, Rule
from inspector.recipes.verdict import judge

CLASSES = ("scratch", "stain")
WHOLE = Region(0, 0, 80, 60)
INNER = Region(10, 20, 40, 30)


def make_frame(pixels: np.ndarray[Any, Any] | None = None, *, camera: str = "visible", unit: str = "intensity") -> Frame:
    """By default 80 x 60 RGB whose pixel at (x, y) is (x, y, 7)."""
    if pixels is None:
        pixels = np.zeros((60, 80, 3), np.uint8)
        pixels[..., 0] = np.arange(80)[None, :]
        pixels[..., 1] = np.arange(60)[:, None]
        pixels[..., 2] = 7
    return Frame(pixels, camera, 0, time.monotonic(), datetime.now(UTC), unit=unit)  # type: ignore[arg-type]  # either unit


def make_kelvin() -> Frame:
    """40 x 30, at (x, y) the temperature 300 + x + 0.5 * y kelvin."""
    y, x = np.mgrid[0:30, 0:40]
    return make_frame((300 + x + 0.5 * y).astype(np.float32), camera="thermal", unit="kelvin")


def make_boxes() -> Prediction:
    """Three boxes: scores 0.9, 0.6 and 0.3."""
    xyxy = np.array([[10, 10, 30, 20], [40, 30, 70, 50], [5, 40, 15, 55]], np.float32)
    boxes = Boxes(xyxy, np.array([0.9, 0.6, 0.3], np.float32), np.array([0, 1, 0], np.int64))
    return Prediction("boxes", "detection", "visible", CLASSES, WHOLE, boxes)


def make_mask() -> Prediction:
    """In INNER: a scratch of 5 x 4 = 20 px with certainty 1, and a stain of 10 x 10 = 100 px with certainty 0.6."""
    mask = np.zeros((2, 30, 40), np.uint8)
    mask[0, 2:6, 3:8] = 255
    mask[1, 15:25, 20:30] = 153
    return Prediction("areas", "segmentation", "visible", CLASSES, INNER, Masks(mask))


def make_temperatures() -> Prediction:
    spots = (HotSpot(39, 29, 353.5, 12.0), HotSpot(5, 4, 307.0, 3.0))
    temperatures = Temperatures(353.5, 326.75, 300.0, "measured", spots, (350.0, 325.0, 301.0))
    return Prediction("heat", "thermal", "thermal", (), Region(0, 0, 40, 30), temperatures)


def make_recipe(*, boxes: float = 0.5, area_limit: float = 130.0) -> Recipe:
    """Cameras of 0.5 mm a pixel; more than two boxes, than `area_limit` px of marked area, or than 90 degrees is NG."""
    inner = RegionModel(x=INNER.x, y=INNER.y, width=INNER.width, height=INNER.height)
    return Recipe(
        name="test",
        cameras={"visible": CameraModel(source="folder:x", mm_per_px=0.5), "thermal": CameraModel(source="simulated:thermal")},
        inspect=(
            InspectModel(bundle="boxes", camera="visible", threshold=boxes),
            InspectModel(bundle="areas", camera="visible", region=inner, threshold=0.5),
            InspectModel(bundle="heat", camera="thermal"),
        ),
        rules=(
            Rule(bundle="boxes", quantity="count", limit=2),
            Rule(bundle="areas", quantity="area_px", limit=area_limit),
            Rule(bundle="heat", quantity="temperature_max", limit=90.0),
        ),
    )


def make_inspection(recipe: Recipe, *, frames: Mapping[str, Frame] | None = None) -> Inspection:
    predictions = (make_boxes(), make_mask(), make_temperatures())
    verdict, reasons, judgements = judge(recipe, predictions, ())
    shown = frames or {"visible": make_frame(), "thermal": make_kelvin()}
    return Inspection("P1", 0, verdict, reasons, shown, predictions, recipe.name, recipe.revision, 5.0, judgements=judgements)


def write_brightness_bundle(folder: Path) -> Path:
    """A real bundle that every engine runs: "bad" with the probability that is the frame's mean brightness."""
    import onnx
    from onnx import TensorProto, helper

    shape = ["n", 16, 16, 3]
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["flat"]),
        helper.make_node("Unsqueeze", ["flat", "last"], ["bad"]),
        helper.make_node("Sub", ["one", "bad"], ["good"]),
        helper.make_node("Concat", ["good", "bad"], ["scores"], axis=1),
    ]
    constants = {
        "axes": np.array([1, 2, 3], np.int64),
        "white": np.array(255, np.float32),
        "last": np.array([1], np.int64),
        "one": np.array(1, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    card = Card(
        name=folder.name,
        task="classification",
        network="simple_cnn",
        classes=("good", "bad"),
        ok_classes=("good",),
        input=InputSpec(width=16, height=16),
        mean=(0.0,) * 3,
        std=(255.0,) * 3,
        created=datetime.now(UTC),
        software="test",
        max_batch=4,
    )

    def fill(temporary: Path) -> None:
        (temporary / WEIGHTS).write_bytes(b"none: the graph has no weights")
        (temporary / GRAPH).write_bytes(model.SerializeToString())

    write_bundle(folder, card, fill)
    return folder


def wheel(widget: QWidget, at: tuple[float, float], notches: int) -> None:
    """Turn the wheel over a point of a widget."""
    point = QPointF(*at)
    event = QWheelEvent(
        point,
        widget.mapToGlobal(point),
        QPointF(0, 0).toPoint(),
        QPointF(0, 120 * notches).toPoint(),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def picture_of(widget: QWidget) -> np.ndarray[Any, Any]:
    """What a widget shows, uint8 [H, W, 3] RGB."""
    return pixels_of(widget.grab().toImage())


def pixels_of(image: QImage) -> np.ndarray[Any, Any]:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()
