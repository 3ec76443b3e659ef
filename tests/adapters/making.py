"""Tiny graphs with the outputs of the families: they find coloured rectangles, red, green and blue being the classes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inspector.adapters.base import IMAGENET

SIDE = 64
CLASSES = ("scratch", "stain", "dent")
STRIDES = (8, 16, 32)
COLOURS = ((220, 40, 40), (40, 220, 40), (40, 40, 220))  # RGB
ULTRALYTICS = {
    "author": "Ultralytics",
    "stride": "32",
    "imgsz": f"[{SIDE}, {SIDE}]",
    "names": str(dict(enumerate(CLASSES))),
    "batch": "1",
}
# Turns RGB into how much more there is of each colour than of the others.
_MORE = np.array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2]], np.float32) / 2


class Drawing:
    """Nodes and constants of a graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, operator: str, *inputs: str | NDArray[Any], **attributes: Any) -> str:
        names = []
        for one in inputs:
            if not isinstance(one, str):
                self.constants.append(numpy_helper.from_array(np.asarray(one), f"c{len(self.constants)}"))
                one = self.constants[-1].name
            names.append(one)
        self.nodes.append(helper.make_node(operator, names, [f"t{len(self.nodes)}"], name=f"n{len(self.nodes)}", **attributes))
        return self.nodes[-1].output[0]

    def named(self, value: str, name: str) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [name], name=f"as {name}"))


def colourful(draw: Drawing, image: str, size: int, *, imagenet: bool = False) -> str:
    """[1, 3, h, w]: for each square of `size` pixels how much more of a colour it has, up to 1.

    `imagenet`: the pixels are normalised with its statistics.
    """
    mean, std = IMAGENET if imagenet else ((0.0,) * 3, (1.0,) * 3)
    weights = (_MORE * np.array(std)).reshape(3, 3, 1, 1) / size**2 * np.ones((3, 3, size, size), np.float32)
    offset = (_MORE @ np.array(mean)).astype(np.float32)
    return draw("Conv", image, weights.astype(np.float32), offset, strides=[size, size], kernel_shape=[size, size])


def model(
    draw: Drawing,
    outputs: Sequence[str],
    metadata: Mapping[str, str],
    *,
    inputs: Mapping[str, Sequence[int | str]] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    taken = inputs or {"images": (1, 3, SIDE, SIDE)}
    kinds = {name: TensorProto.INT64 if name.startswith("orig") else TensorProto.FLOAT for name in taken}
    graph = helper.make_graph(
        draw.nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kinds[name], list(shape)) for name, shape in taken.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        draw.constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    made = onnx.shape_inference.infer_shapes(made)
    helper.set_model_props(made, dict(metadata))
    return made


def places() -> NDArray[np.float32]:
    """Centre and size of every place, [4, A]: squares of three strides."""
    rows = []
    for stride in STRIDES:
        steps = np.arange(SIDE // stride) * stride + stride / 2
        y, x = np.meshgrid(steps, steps, indexing="ij")
        rows += [(cx, cy, stride * 1.5, stride * 1.5) for cx, cy in zip(x.ravel(), y.ravel(), strict=True)]
    return np.array(rows, np.float32).T


def scores(draw: Drawing, image: str = "images", *, imagenet: bool = False) -> str:
    """[1, 3, A]: a score of each colour at each place."""
    parts = [draw("Reshape", colourful(draw, image, stride, imagenet=imagenet), np.array([0, 3, -1])) for stride in STRIDES]
    return draw("Sigmoid", draw("Mul", draw("Sub", draw("Concat", *parts, axis=2), np.float32(0.35)), np.float32(20)))


def yolo() -> onnx.ModelProto:
    draw = Drawing()
    draw.named(draw("Concat", places()[None], scores(draw), axis=1), "output0")
    return model(draw, ["output0"], ULTRALYTICS | {"task": "detect"})


def final(draw: Drawing) -> str:
    """[1, 84, 6]: left to bottom, best score and its class, without suppression."""
    each = draw("Transpose", scores(draw), perm=[0, 2, 1])
    best = draw("ReduceMax", each, axes=[2], keepdims=1)
    kind = draw("Cast", draw("ArgMax", each, axis=2, keepdims=1), to=TensorProto.FLOAT)
    x, y, width, height = places()
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)[None]
    return draw("Concat", corners, best, kind, axis=2)


def yolo_final() -> onnx.ModelProto:
    draw = Drawing()
    draw.named(final(draw), "output0")
    return model(draw, ["output0"], ULTRALYTICS | {"task": "detect", "end2end": "True"})


def _rt_detr(classes: int, *, chosen: bool) -> onnx.ModelProto:
    """Ultralytics' RT-DETR: fractions, with the best class of each object (8.4) or with a score for each (8.3)."""
    draw = Drawing()
    each = draw("Slice", draw("Transpose", scores(draw), perm=[0, 2, 1]), np.array([0]), np.array([classes]), np.array([2]))
    parts = [each]
    if chosen:
        best = draw("ReduceMax", each, axes=[2], keepdims=1)
        parts = [best, draw("Cast", draw("ArgMax", each, axis=2, keepdims=1), to=TensorProto.FLOAT)]
    draw.named(draw("Concat", places().T[None] / np.float32(SIDE), *parts, axis=2), "output0")
    names = {"names": str(dict(enumerate(CLASSES[:classes])))}
    return model(draw, ["output0"], ULTRALYTICS | names | {"task": "detect", "head": "RTDETRDecoder", "end2end": "False"})


def rt_detr() -> onnx.ModelProto:
    return _rt_detr(3, chosen=True)


def rt_detr_scores() -> onnx.ModelProto:
    return _rt_detr(3, chosen=False)


def rt_detr_of_two(*, chosen: bool) -> onnx.ModelProto:
    """Of two classes, where both kinds of output have the same size."""
    return _rt_detr(2, chosen=chosen)


def yolov5() -> onnx.ModelProto:
    draw = Drawing()
    rows = draw(
        "Transpose", draw("Concat", places()[None], np.ones((1, 1, 84), np.float32), scores(draw), axis=1), perm=[0, 2, 1]
    )
    draw.named(rows, "output0")
    return model(draw, ["output0"], {"stride": "32", "names": str(list(CLASSES))})


def masks(draw: Drawing) -> str:
    """[1, 3, 16, 16]: a prototype for each colour, above 0 where it is."""
    return draw("Sub", colourful(draw, "images", 4), np.float32(0.2))


def yolo_masks() -> onnx.ModelProto:
    draw = Drawing()
    each = scores(draw)
    factors = draw("Mul", each, np.float32(4))  # of the prototype of its own colour
    draw.named(draw("Concat", places()[None], each, factors, axis=1), "output0")
    draw.named(masks(draw), "output1")
    return model(draw, ["output0", "output1"], ULTRALYTICS | {"task": "segment"})


def yolo_final_masks() -> onnx.ModelProto:
    draw = Drawing()
    factors = draw("Mul", draw("Transpose", scores(draw), perm=[0, 2, 1]), np.float32(4))
    draw.named(draw("Concat", final(draw), factors, axis=2), "output0")
    draw.named(masks(draw), "output1")
    return model(draw, ["output0", "output1"], ULTRALYTICS | {"task": "segment", "end2end": "True"})


def amounts(draw: Drawing, image: str = "images", *, imagenet: bool = False) -> str:
    """[1, 3]: a logit of each colour for the picture."""
    return draw("Mul", draw("Reshape", colourful(draw, image, SIDE, imagenet=imagenet), np.array([0, 3])), np.float32(30))


def yolo_classify() -> onnx.ModelProto:
    draw = Drawing()
    draw.named(draw("Softmax", amounts(draw), axis=1), "output0")
    return model(draw, ["output0"], ULTRALYTICS | {"task": "classify"})


def yolo_semantic() -> onnx.ModelProto:
    draw = Drawing()
    planes = draw("Concat", np.full((1, 1, SIDE, SIDE), 0.3, np.float32), colourful(draw, "images", 1), axis=1)
    draw.named(draw("Cast", draw("ArgMax", planes, axis=1, keepdims=0), to=TensorProto.UINT8), "output0")
    names = str(dict(enumerate(("background", *CLASSES))))
    return model(draw, ["output0"], ULTRALYTICS | {"task": "semantic", "names": names})


def rf_detr() -> onnx.ModelProto:
    draw = Drawing()
    each = draw("Transpose", scores(draw, "input", imagenet=True), perm=[0, 2, 1])
    logits = draw("Log", draw("Div", each, draw("Sub", np.float32(1.0001), each)))
    draw.named(draw("Concat", logits, np.full((1, 84, 1), -9, np.float32), axis=2), "labels")
    draw.named(draw("Identity", (places() / SIDE).T[None]), "dets")
    return model(draw, ["dets", "labels"], {}, inputs={"input": (1, 3, SIDE, SIDE)})


def d_fine() -> onnx.ModelProto:
    draw = Drawing()
    each = draw("Transpose", scores(draw), perm=[0, 2, 1])
    draw.named(draw("ArgMax", each, axis=2, keepdims=0), "labels")
    size = draw("Cast", draw("Concat", "orig_target_sizes", "orig_target_sizes", axis=1), to=TensorProto.FLOAT)
    x, y, width, height = places() / SIDE
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)[None]
    draw.named(draw("Mul", corners.astype(np.float32), draw("Unsqueeze", size, np.array([1]))), "boxes")
    draw.named(draw("ReduceMax", each, axes=[2], keepdims=0), "scores")
    taken = {"images": ("N", 3, SIDE, SIDE), "orig_target_sizes": ("N", 2)}
    return model(draw, ["labels", "boxes", "scores"], {}, inputs=taken)


def transformers() -> onnx.ModelProto:
    draw = Drawing()
    each = draw("Transpose", scores(draw, "pixel_values"), perm=[0, 2, 1])
    draw.named(draw("Log", draw("Div", each, draw("Sub", np.float32(1.0001), each))), "logits")
    draw.named(draw("Identity", (places() / SIDE).T[None]), "pred_boxes")
    return model(
        draw,
        ["logits", "pred_boxes"],
        {"id2label": '{"0": "scratch", "1": "stain", "2": "dent"}'},
        inputs={"pixel_values": (1, 3, SIDE, SIDE)},
    )


def anomalib() -> onnx.ModelProto:
    draw = Drawing()
    unusual = draw("ReduceMax", colourful(draw, "input", 1), axes=[1], keepdims=1)
    plane = draw("Clip", draw("Add", unusual, np.float32(0.1)), np.float32(0), np.float32(1))
    draw.named(plane, "anomaly_map")
    draw.named(draw("ReduceMax", plane, axes=[1, 2, 3], keepdims=0), "pred_score")
    draw.named(draw("Greater", plane, np.float32(0.5)), "pred_mask")
    return model(draw, ["pred_score", "anomaly_map", "pred_mask"], {}, inputs={"input": ("batch", 3, SIDE, SIDE)})


def classifier() -> onnx.ModelProto:
    draw = Drawing()
    draw.named(amounts(draw, "input", imagenet=True), "output")
    return model(draw, ["output"], {}, inputs={"input": ("batch", 3, SIDE, SIDE)})


def planes() -> onnx.ModelProto:
    draw = Drawing()
    planes = draw("Concat", np.full((1, 1, 16, 16), 0.3, np.float32), colourful(draw, "input", 4, imagenet=True), axis=1)
    draw.named(draw("Mul", planes, np.float32(20)), "out")
    names = '["background", "scratch", "stain", "dent"]'
    return model(draw, ["out"], {"classes": names}, inputs={"input": (1, 3, SIDE, SIDE)})


GRAPHS: Mapping[str, Callable[[], onnx.ModelProto]] = {
    one.__name__: one
    for one in (
        yolo,
        yolo_final,
        rt_detr,
        rt_detr_scores,
        yolov5,
        yolo_masks,
        yolo_final_masks,
        yolo_classify,
        yolo_semantic,
        rf_detr,
        d_fine,
        transformers,
        anomalib,
        classifier,
        planes,
    )
}


def picture(kind: int | None, *, width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Grey noise, RGB, with a rectangle of a class's colour in the middle, a quarter of each side large."""
    random = np.random.default_rng(seed)
    grey = random.integers(110, 140, (height, width, 1), np.uint8).repeat(3, axis=2)
    pixels = np.ascontiguousarray(cv2.GaussianBlur(grey, (5, 5), 0))
    if kind is not None:
        pixels[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8] = COLOURS[kind]
    return pixels


SIZES = ((160, 160), (160, 96), (51, 97), (200, 150))  # width, height


def write_pictures(folder: Path, count: int) -> list[tuple[Path, int | None]]:
    """Pictures of each class, and one in four without anything; return the files and what they show."""
    folder.mkdir()
    made: list[tuple[Path, int | None]] = []
    for number in range(count):
        kind = None if number % 4 == 3 else number % 4
        width, height = SIZES[(number + number // 4) % len(SIZES)]
        file = folder / f"{number:02}.png"
        cv2.imwrite(str(file), picture(kind, width=width, height=height, seed=number)[..., ::-1])
        made.append((file, kind))
    return made
