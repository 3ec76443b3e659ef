"""Foreign graphs become bundles that find what is in the pictures; what cannot is refused by one sentence."""

import json
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from inspector.core.errors import ConfigError, EngineError
from inspector.core.registry import ENGINES
from inspector.core.types import Boxes, Frame, Masks, Prediction, Scores
from inspector.imaging.files import Image, read_image
from inspector.imaging.preprocessing import Fit, InputSpec, Resample, prepare, view, whole
from inspector.tasks.base import task_of
from inspector.tasks.masks import class_map

onnx = pytest.importorskip("onnx")
from datetime import UTC, datetime  # noqa: E402

from inspector.adapters import importing  # noqa: E402
from inspector.adapters.base import Wishes, read_classes  # noqa: E402
from inspector.adapters.graph import read_graph  # noqa: E402
from inspector.adapters.importing import NotAlike, import_bundle, recognised  # noqa: E402
from inspector.adapters.runtime import see  # noqa: E402
from inspector.bundles.bundle import Bundle  # noqa: E402
from inspector.bundles.reference import read_reference  # noqa: E402
from inspector.bundles.status import barred, standing  # noqa: E402
from inspector.cli.main import run  # noqa: E402
from inspector.engines.base import open_engine  # noqa: E402
from inspector.tuning.measure import Subject  # noqa: E402
from tests.adapters import making  # noqa: E402
from tests.reports import Quiet  # noqa: E402

Shown = list[tuple[Path, int | None]]
NAMED = Wishes(classes=making.CLASSES)
WISHES = {"rf_detr": NAMED, "d_fine": NAMED, "classifier": NAMED}
FIT: dict[str, tuple[Fit, Resample]] = {
    "yolo_classify": ("crop", "antialias"),
    **dict.fromkeys(("rf_detr", "rt_detr", "rt_detr_scores"), ("stretch", "linear")),
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return making.write_pictures(tmp_path_factory.mktemp("parts") / "pictures", 16)


def written(folder: Path, graph: "onnx.ModelProto", name: str = "graph") -> Path:
    file = folder / f"{name}.onnx"
    file.write_bytes(graph.SerializeToString())
    return file


def answer(bundle: Bundle, file: Path, engine: str) -> Prediction:
    card = bundle.card
    image = read_image(file)
    frame = Frame(image.pixels, "camera", 0, 0.0, datetime.now(UTC))
    with open_engine(engine, bundle) as opened:
        raw = opened.infer(prepare(image.pixels, card.input)[None])
    return task_of(card.task).decode(raw, card, [view(whole(image.pixels), card.input)], [frame])[0]


def check_found(prediction: Prediction, threshold: float, kind: int | None) -> None:
    """The rectangle lies in the middle: from three to five eighths of each side."""
    region = prediction.region
    centre = (region.x + region.width / 2, region.y + region.height / 2)
    match prediction.answer:
        case Scores() as scores:
            assert kind is None or (scores.best == kind and scores.values[kind] > 0.5)
        case Boxes() as boxes:
            found = boxes.at_least(threshold)
            assert (len(found) > 0) == (kind is not None)
            for (left, top, right, bottom), index in zip(found.xyxy, found.classes, strict=True):
                assert index == kind
                assert left < centre[0] + region.width / 8
                assert right > centre[0] - region.width / 8
                assert top < centre[1] + region.height / 8
                assert bottom > centre[1] - region.height / 8
        case Masks():
            planes = class_map(prediction, threshold)
            if kind is None:
                assert not planes.any()
                return
            real = np.zeros_like(planes)
            real[region.height * 3 // 8 : region.height * 5 // 8, region.width * 3 // 8 : region.width * 5 // 8] = 1
            value = 1 if len(prediction.classes) == 1 else kind + 1
            assert set(np.unique(planes)) <= {0, value}
            both, either = (real & (planes > 0)).sum(), (real | (planes > 0)).sum()
            assert both / either > 0.5  # the prototypes have a quarter of the input's size
        case _:
            raise AssertionError(prediction.answer)


@pytest.mark.parametrize("name", making.GRAPHS)
def test_every_family_becomes_a_bundle_that_finds_what_is_there(name: str, shown: Shown, tmp_path: Path) -> None:
    file = written(tmp_path, making.GRAPHS[name](), name)
    made = import_bundle(file, tmp_path / "bundle", shown[0][0].parent, wishes=WISHES.get(name, Wishes()))
    bundle = Bundle.open(tmp_path / "bundle")
    card = bundle.card
    assert (card.name, card.training["imported"], card.training["compared"]) == (name, file.name, 16)
    assert card.classes == (("anomaly",) if name == "anomalib" else making.CLASSES)
    usual: tuple[Fit, Resample] = ("letterbox", "linear") if name.startswith("yolo") else ("stretch", "antialias")
    assert (card.input.fit, card.input.resample) == FIT.get(name, usual)
    assert all(one.accepted and one.flips == 0 for one in made.compared.parities.values())
    assert max(row.difference for row in made.compared.rows if row.engine == "onnxruntime") < 2e-3
    assert card.max_batch == (16 if name in ("anomalib", "classifier") else 1)
    for row, (picture, kind) in enumerate(shown[:4]):
        check_found(answer(bundle, picture, ("openvino", "onnxruntime")[row % 2]), task_of(card.task).threshold(card), kind)


@pytest.mark.parametrize("chosen", [False, True])
def test_class_numbers_are_not_taken_for_scores(chosen: bool, shown: Shown, tmp_path: Path) -> None:
    """RT-DETR of two classes gives six numbers an object, in either version: as scores, the numbers 0 and 1 look right."""
    file = written(tmp_path, making.rt_detr_of_two(chosen=chosen))
    import_bundle(file, tmp_path / "bundle", shown[0][0].parent, wishes=Wishes())
    bundle = Bundle.open(tmp_path / "bundle")
    assert bundle.card.classes == making.CLASSES[:2]
    threshold = task_of(bundle.card.task).threshold(bundle.card)
    for kind in (None, 0, 1):
        picture = next(file for file, shows in shown if shows == kind)
        check_found(answer(bundle, picture, "onnxruntime"), threshold, kind)


def test_an_imported_bundle_is_one_like_any_other(shown: Shown, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file, out = written(tmp_path, making.yolo(), "line 2"), tmp_path / "made"
    arguments = ["bundle", "import", str(file), "--images", str(shown[0][0].parent), "--out", str(out), "--name", "plates"]
    assert run([*arguments, "--ok", "dent", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["bundle"] == str(out)
    assert {row["there"] for row in told["pictures"] if row["file"] == str(shown[3][0])} == {"-"}
    assert all(row["there"].startswith("scratch") for row in told["pictures"] if row["file"] == str(shown[0][0]))
    bundle = Bundle.open(out)
    assert (bundle.name, bundle.card.ok_classes, bundle.card.thresholds["score"]) == ("plates", ("dent",), 0.25)
    # without weights: no engine of torch, and no advice to export one
    assert "no weights" in str(barred(bundle, "torch", "fp32"))
    assert not standing(bundle, "torchscript", "bf16").usable
    with pytest.raises(ConfigError, match="no weights"):
        open_engine("torch", bundle)
    # reference images with what the graph itself says: tuning judges variants by them
    reference = read_reference(bundle)
    assert reference is not None
    assert (reference.calibration, len(reference.judged)) == (8, 8)
    subject = Subject("plates", bundle)
    assert subject.known
    assert run(["predict", str(shown[0][0].parent), "--model", str(out)]) == 0
    assert "16 parts: 8 OK, 8 NG" in capfd.readouterr().out  # four of the twelve rectangles are dents


def test_gate_and_heat_map_of_an_imported_bundle(shown: Shown, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from inspector.ml.export.variants import Exporter, Order
    from inspector.ml.occlusion import black_box
    from inspector.workers.messages import BlackBoxMethod, ExplainRequest

    file = written(tmp_path, making.yolo())
    bundle = import_bundle(file, tmp_path / "bundle", shown[0][0].parent, wishes=Wishes()).bundle
    variant = Exporter(bundle, Quiet()).make(Order("openvino", "fp16"))
    assert variant.parity is not None
    assert variant.parity.accepted
    with pytest.raises(EngineError, match="no weights"):
        Exporter(bundle, Quiet()).make(Order("torchscript", "bf16"))
    with ENGINES["onnxruntime"].load()(bundle) as engine:
        frame = prepare(read_image(shown[0][0]).pixels, bundle.card.input)
        maps = {}
        for method in get_args(BlackBoxMethod):
            maps[method], told = black_box(engine.infer, bundle.card, frame, ExplainRequest(method=method))
            assert (told.layer, told.class_index) == (method, 0)
            assert told.target is not None
            assert told.target > 0.25
            y, x = np.unravel_index(maps[method].argmax(), maps[method].shape)
            assert 16 <= x < 48
            assert 16 <= y < 48
        usual, _ = black_box(engine.infer, bundle.card, frame, ExplainRequest())
        again, _ = black_box(engine.infer, bundle.card, frame, ExplainRequest(method="rise"))
        np.testing.assert_array_equal(usual, maps["occlusion"])
        np.testing.assert_array_equal(again, maps["rise"])
        for refused in (ExplainRequest(layer="layer4"), ExplainRequest(method="gradcam")):
            with pytest.raises(ConfigError, match="no layers"):
                black_box(engine.infer, bundle.card, frame, refused)


@pytest.mark.parametrize(
    ("fit", "resample"), [("letterbox", "linear"), ("crop", "antialias"), ("stretch", "antialias"), ("letterbox", "antialias")]
)
def test_pictures_are_fitted_as_the_families_do(fit: Fit, resample: Resample) -> None:
    random = np.random.default_rng(1)
    for width, height in ((97, 51), (51, 97), (64, 64), (333, 200), (20, 30)):
        pixels = random.integers(0, 256, (height, width, 3), np.uint8)
        spec = InputSpec(width=64, height=48, fit=fit, resample=resample)
        seen, made = see(pixels, spec), prepare(pixels, spec)
        assert np.array_equal(seen.pixels, made)
        geometry = view(whole(pixels), spec)
        corners = np.array([[3, 4, 10, 12]], np.float32)
        there = np.hstack(
            [corners[:, :2] * seen.scale + (seen.left, seen.top), corners[:, 2:] * seen.scale + (seen.left, seen.top)]
        )
        assert np.allclose(geometry.to_input(corners), there, atol=1e-3)


def _external(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    tensor = graph.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return graph


def _opset(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    graph.opset_import[0].version = 99
    return graph


def _batch(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    return graph


def _task(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    onnx.helper.set_model_props(graph, making.ULTRALYTICS | {"task": "pose"})
    return graph


def _open(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    for side in (2, 3):
        graph.graph.input[0].type.tensor_type.shape.dim[side].dim_param = "side"
    return graph


def _unknown() -> "onnx.ModelProto":
    draw = making.Drawing()
    draw.named(draw("ReduceMax", "images", axes=[1], keepdims=0), "depth")
    return making.model(draw, ["depth"], {})


def _rows(scale: float, extra: float | None = None) -> "onnx.ModelProto":
    """YOLO without metadata: scores times `scale`, and a column for an angle, as oriented boxes have."""
    draw = making.Drawing()
    parts = [making.places()[None], draw("Mul", making.scores(draw), np.float32(scale))]
    parts += [] if extra is None else [np.full((1, 1, 84), extra, np.float32)]
    draw.named(draw("Concat", *parts, axis=1), "output0")
    return making.model(draw, ["output0"], {})


def _fractions() -> "onnx.ModelProto":
    draw = making.Drawing()
    draw.named(draw("Mul", making.final(draw), np.array([1 / 64] * 4 + [1, 1], np.float32)), "output0")
    return making.model(draw, ["output0"], making.ULTRALYTICS | {"task": "detect", "end2end": "True"})


def _mmdeploy() -> "onnx.ModelProto":
    draw = making.Drawing()
    found = making.final(draw)
    draw.named(draw("Slice", found, np.array([0]), np.array([5]), np.array([2])), "dets")
    kinds = draw("Squeeze", draw("Slice", found, np.array([5]), np.array([6]), np.array([2])), np.array([2]))
    draw.named(draw("Cast", kinds, to=onnx.TensorProto.INT64), "labels")
    return making.model(draw, ["dets", "labels"], {})


def _last(make: Callable[["making.Drawing", str], str]) -> "onnx.ModelProto":
    """A graph without metadata whose last steps are given the planes [1, 3, 16, 16] of three colours."""
    draw = making.Drawing()
    draw.named(make(draw, making.colourful(draw, "images", 4, imagenet=True)), "output")
    return making.model(draw, ["output"], {})


def _by_hand(draw: "making.Drawing", planes: str, *, shares: bool) -> str:
    """Softmax or Sigmoid of the means of the planes, without the operators of these names."""
    raised = draw("Exp", draw("Mul", draw("ReduceMean", planes, axes=[2, 3], keepdims=0), np.float32(20)))
    whole = draw("ReduceSum", raised, np.array([1]), keepdims=1) if shares else draw("Add", raised, np.float32(1))
    return draw("Div", raised, whole)


def _large() -> "onnx.ModelProto":
    graph = making.anomalib()
    clip = next(node for node in graph.graph.node if node.op_type == "Clip")
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(37), "far"))
    clip.input[1] = "far"
    clip.input[2] = ""
    return graph


HOSTILE: dict[str, tuple[Callable[[], "onnx.ModelProto"], str]] = {
    "weights elsewhere": (lambda: _external(making.yolo()), r"other files \(weights.bin\)"),
    "operator set": (lambda: _opset(making.yolo()), "operator set 99"),
    "four at once": (lambda: _batch(making.yolo()), "4 pictures at once"),
    "pose": (lambda: _task(making.yolo()), "for pose"),
    "any size": (lambda: _open(making.classifier()), "--size"),
    "unknown output": (_unknown, r"depth \[1, 64, 64\] float32"),
    "no classes": (making.d_fine, "--classes FILE"),
    "not normalised": (_large, "values from"),
    "oriented boxes": (lambda: _rows(1, extra=-0.5), "values from -0.5 to"),
    "percent": (lambda: _rows(100), "values from 0 to"),
    "fractions": (_fractions, "boxes as fractions"),
    "MMDeploy": (_mmdeploy, "of no kind that is known"),
    "best class": (lambda: _last(lambda draw, planes: draw("ArgMax", planes, axis=1, keepdims=1)), "whole numbers"),
    "distances": (
        lambda: _last(lambda draw, planes: draw("Abs", draw("ReduceMean", planes, axes=[1], keepdims=1))),
        "those of a mask are below 0",
    ),
    "scores by hand": (lambda: _last(lambda draw, planes: _by_hand(draw, planes, shares=False)), "a score of its own"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_cannot_be_used_is_refused_by_name(kind: str, shown: Shown, tmp_path: Path) -> None:
    make, said = HOSTILE[kind]
    file = written(tmp_path, make())
    with pytest.raises(ConfigError, match=said) as caught:
        import_bundle(file, tmp_path / "bundle", shown[0][0].parent, wishes=Wishes())
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert not (tmp_path / "bundle").exists()


def test_shares_made_without_a_softmax_are_not_shared_again(shown: Shown, tmp_path: Path) -> None:
    pictures = shown[0][0].parent
    scores = []
    for name, make in (("hand", lambda draw, planes: _by_hand(draw, planes, shares=True)), ("logits", _logits)):
        bundle = import_bundle(written(tmp_path, _last(make), name), tmp_path / name, pictures, wishes=Wishes()).bundle
        found = answer(bundle, shown[0][0], "onnxruntime").answer
        assert isinstance(found, Scores)
        scores.append(found.values)
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def _logits(draw: "making.Drawing", planes: str) -> str:
    return draw("Mul", draw("ReduceMean", planes, axes=[2, 3], keepdims=0), np.float32(20))


@pytest.mark.parametrize("size", [0, 40, 400])
def test_a_file_that_is_no_graph_or_a_part_of_one_is_refused(size: int, tmp_path: Path) -> None:
    file = tmp_path / "cut.onnx"
    file.write_bytes(making.yolo().SerializeToString()[:size])
    with pytest.raises(ConfigError, match="only a part of one"):
        recognised(file, Wishes())


def test_nodes_in_any_order_are_put_in_order_at_once(tmp_path: Path) -> None:
    graph = making.yolo()
    nodes = list(graph.graph.node)[::-1]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    assert recognised(written(tmp_path, graph), Wishes()).plan.task == "detection"
    sides = [1, 3, 8, 8]
    chain = [onnx.helper.make_node("Relu", [f"x{at}"], [f"x{at + 1}"]) for at in range(4000)]
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sides) for name in ("x0", "x4000")]
    deep = onnx.helper.make_model(onnx.helper.make_graph(chain[::-1], "deep", ends[:1], ends[1:]))
    begun = time.monotonic()
    read = read_graph(written(tmp_path, deep, "deep"))
    assert [node.output[0] for node in read.model.graph.node] == [f"x{at + 1}" for at in range(4000)]
    assert time.monotonic() - begun < 5


def test_wishes_that_do_not_fit_are_refused(shown: Shown, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, making.yolo())
    with pytest.raises(ConfigError, match="64 x 64"):
        recognised(file, Wishes(size=(128, 128)))
    with pytest.raises(ConfigError, match="tells 3 classes apart, and 2 are named"):
        recognised(file, Wishes(classes=("a", "b")))
    with pytest.raises(ConfigError, match="classification"):
        recognised(file, Wishes(task="classification"))
    named = tmp_path / "classes.json"
    named.write_text('{"0": "a", "2": "c", "1": "b"}')
    assert read_classes(named) == ("a", "b", "c")
    # without pictures nothing shows that it judges as there: what was found is said, and nothing is written
    assert run(["bundle", "import", str(file), "--out", str(tmp_path / "made")]) == 2
    assert "Ultralytics YOLO for detection, 64 x 64 pixels, 3 classes (scratch, stain, dent)" in capfd.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_graph_that_judges_otherwise_each_time_is_refused(
    shown: Shown, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw = making.Drawing()
    noise = draw("RandomUniform", shape=[1, 3], high=9.0)
    draw.named(draw("Add", making.amounts(draw), noise), "output0")
    onnx_graph = making.model(draw, ["output0"], making.ULTRALYTICS | {"task": "classify"})
    file = written(tmp_path, onnx_graph)
    with pytest.raises(NotAlike, match="does not judge here as it does in its own runtime"):
        import_bundle(file, tmp_path / "bundle", shown[0][0].parent, wishes=Wishes())
    assert run(["bundle", "import", str(file), "--images", str(shown[0][0].parent), "--out", str(tmp_path / "made")]) == 1
    told = capfd.readouterr()
    assert "its own runtime" in told.out
    assert "does not judge here" in told.err
    assert not (tmp_path / "made").exists()


def test_pictures_are_compared_one_after_the_other(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures may have megabytes each; all of them at once would fill the memory."""
    read, alive = list[weakref.ref[np.ndarray]](), list[int]()

    def watched(file: Path) -> Image:
        alive.append(sum(one() is not None for one in read))
        image = read_image(file)
        read.append(weakref.ref(image.pixels))
        return image

    monkeypatch.setattr(importing, "read_image", watched)
    import_bundle(written(tmp_path, making.yolo()), tmp_path / "bundle", shown[0][0].parent, wishes=Wishes())
    assert len(alive) == 16
    assert max(alive) <= 1


def test_unreadable_pictures_are_named_and_16_bits_are_not_compared(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    making.write_pictures(folder, 4)
    (folder / "broken.png").write_bytes(b"no picture")
    cv2.imwrite(str(folder / "deep.png"), np.full((64, 64), 3000, np.uint16))
    made = import_bundle(written(tmp_path, making.yolo()), tmp_path / "bundle", folder, wishes=Wishes())
    assert sorted("broken.png" in str(one) or "deep.png" in str(one) for one in made.compared.problems) == [True, True]
    assert {row.name for row in made.compared.rows} == {str(folder / f"{number:02}.png") for number in range(4)}
