"""Exports and variants that cannot be had: one sentence each, and what was good stays in use."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from inspector.bundles.bundle import CARD, GRAPH, Bundle, sha256, write_card
from inspector.bundles.reference import REFERENCE, Reference, pack_reference, read_reference
from inspector.cli.main import cli
from inspector.core.errors import BundleError, ConfigError, EngineError, InspectorError
from inspector.core.registry import ENGINES
from inspector.engines.base import open_engine
from inspector.inspection.program import load_program
from inspector.recipes.automatic import recipe_for
from inspector.station.part_inspector import PartInspector
from inspector.tuning import job as tuning_job
from inspector.tuning.store import decide
from inspector.workers.jobs import VariantJob
from inspector.workers.messages import Progress, WorkerMessage
from inspector.workers.process import End, WorkerProcess
from tests.reports import Quiet, export_variant


@pytest.fixture
def window(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Bundle:
    """A copy of a shipped bundle, to be changed."""
    return Bundle.open(shutil.copytree(demo_bundles["window-state"], tmp_path / "window-state"))


def with_file(bundle: Bundle, name: str, data: bytes) -> Bundle:
    """The bundle with another file and a card that vouches for it."""
    (bundle.folder / name).write_bytes(data)
    return write_card(
        bundle.folder, bundle.card.model_copy(update={"files": {**bundle.card.files, name: sha256(bundle.folder / name)}})
    )


def test_reference_images_come_back_bit_for_bit(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    for name in ("plate-mask", "plate-defects", "equipment-temperature"):
        bundle = Bundle.open(shutil.copytree(demo_bundles[name], tmp_path / name))
        reference = read_reference(bundle)
        assert reference is not None
        assert reference.frames.shape[1:] == bundle.card.input.shape
        assert reference.calibration >= 8
        assert len(reference.judged) >= 20
        assert (bundle.folder / REFERENCE).stat().st_size < 2_600_000  # what is shipped stays small
        again = read_reference(with_file(bundle, REFERENCE, pack_reference(reference)))
        assert again is not None
        np.testing.assert_array_equal(again.frames, reference.frames)
        assert again.targets.keys() == reference.targets.keys()
        for key, values in reference.targets.items():
            np.testing.assert_array_equal(again.targets[key], values)
        assert again.calibration == reference.calibration


def test_a_damaged_reference_set_is_one_sentence(window: Bundle) -> None:
    reference = read_reference(window)
    assert reference is not None
    narrow = Reference(reference.frames[:, :8, :8], reference.targets, reference.calibration)
    for data in (b"", b"no safetensors", pack_reference(narrow)):
        with pytest.raises(ConfigError, match=r"reference images .* cannot be used"):
            read_reference(with_file(window, REFERENCE, data))


def test_an_engine_that_this_machine_has_not_says_so(window: Bundle) -> None:
    import onnxruntime

    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has TensorRT")
    with pytest.raises(EngineError, match="TensorRT is not on this machine"):
        ENGINES["tensorrt"].load()(window)
    with pytest.raises(BundleError, match="has not been exported"):
        open_engine("tensorrt", window)


def exported(*arguments: str) -> tuple[int, str]:
    """The exit code of `inspector export`, and what it says."""
    result = CliRunner().invoke(cli, ["export", *arguments], standalone_mode=False)
    if isinstance(result.exception, InspectorError):
        return 1, str(result.exception)
    assert result.exception is None, result.exception
    return int(result.return_value), result.stderr


def test_an_engine_or_an_instruction_set_that_is_not_there_leaves_the_bundle_as_it_is(
    window: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    import onnxruntime
    import openvino

    from inspector.ml.export.variants import Order

    before = (window.folder / CARD).read_bytes()
    if "TensorrtExecutionProvider" not in onnxruntime.get_available_providers():
        code, said = exported("--model", str(window.folder), "--engine", "tensorrt", "--precision", "fp16")
        assert code == 1
        assert said.startswith("TensorRT is not on this machine")
        assert "\n" not in said
    # A processor without bf16, as OpenVINO tells it.
    monkeypatch.setattr(openvino.Core, "get_property", lambda self, device, name: ["FP32", "INT8"])
    with pytest.raises(EngineError, match=r"OpenVINO cannot compute in bf16 on this machine: .* Use the precision fp32"):
        export_variant(window, Order("openvino", "bf16"), Quiet())
    assert (window.folder / CARD).read_bytes() == before


def test_a_precision_that_an_engine_has_not_names_those_it_has(window: Bundle) -> None:
    with pytest.raises(ConfigError, match=r"does not run bundles in fp16\. Use one of: fp32, int8"):
        open_engine("onnxruntime", window, precision="fp16")


def test_graphs_of_a_newer_version_say_so(window: Bundle) -> None:
    onnx = pytest.importorskip("onnx")
    for field in ("opset", "ir"):
        model = onnx.load(window.path(GRAPH))
        if field == "opset":
            model.opset_import[0].version = 99
        else:
            model.ir_version = 99
        newer = with_file(window, GRAPH, model.SerializeToString())
        with pytest.raises(EngineError, match=r"made with a newer version") as caught:
            open_engine("onnxruntime", newer)
        assert "\n" not in str(caught.value)


def test_a_recipe_that_wants_what_was_not_exported_is_one_sentence(window: Bundle) -> None:
    recipe = recipe_for([window.folder], "simulated:visible", precision="int8")
    assert [step.runtime.precision for step in load_program(recipe).steps] == ["int8"]
    with pytest.raises(EngineError, match=r"has not been exported .* Export it: inspector export --model"):
        PartInspector(recipe)
    # An engine that is named alone runs in fp32; a precision that is named holds for the recipe's engine.
    assert [step.runtime.precision for step in load_program(recipe, engine="onnxruntime").steps] == ["fp32"]
    assert [step.runtime.precision for step in load_program(recipe, precision="bf16").steps] == ["bf16"]


def test_too_few_images_are_told_before_anything_is_made(window: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from inspector.ml.export.variants import Order

    reference = read_reference(window)
    assert reference is not None
    first = reference.calibration
    few = Reference(reference.frames[first : first + 7], {k: v[first : first + 7] for k, v in reference.targets.items()}, 0)
    with pytest.raises(ConfigError, match=r"has 7 reference images to be judged, and 8 are needed"):
        export_variant(with_file(window, REFERENCE, pack_reference(few)), Order("openvino", "int8"), Quiet())
    bare = Bundle(
        window.folder, window.card.model_copy(update={"files": {k: v for k, v in window.card.files.items() if k != REFERENCE}})
    )
    with pytest.raises(ConfigError, match=r"has 0 reference images"):
        export_variant(bare, Order("openvino", "bf16"), Quiet())
    uncalibrated = Reference(reference.frames[first:], {k: v[first:] for k, v in reference.targets.items()}, 0)
    other = with_file(window, REFERENCE, pack_reference(uncalibrated))
    with pytest.raises(ConfigError, match=r"There are 0 images to calibrate"):
        export_variant(other, Order("openvino", "int8"), Quiet())
    with pytest.raises(ConfigError, match=r"cannot be read"):
        export_variant(other, Order("openvino", "int8", calibration=tmp_path / "none"), Quiet())
    assert Bundle.open(window.folder).card.variants == ()
    assert not [file for file in window.folder.iterdir() if file.name.startswith((".export", "openvino"))]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
@pytest.mark.parametrize("phase", ["calibrate", "judge"])
def test_an_export_that_is_killed_leaves_the_last_good_variant(window: Bundle, phase: str) -> None:
    pytest.importorskip("nncf")
    from inspector.ml.export.variants import Order

    _, good = export_variant(window, Order("openvino", "fp16"), Quiet())
    before = (window.folder / CARD).read_bytes()
    arrived = threading.Event()

    def hear(message: WorkerMessage) -> None:
        if isinstance(message, Progress) and message.phase == phase:
            arrived.set()

    job = WorkerProcess(VariantJob(bundle=window.folder, engine="openvino", precision="int8"), listener=hear)
    try:
        assert arrived.wait(110)
        os.kill(job.pid, signal.SIGKILL)
        outcome = job.wait(30)
    finally:
        job.close()
    assert outcome is not None
    assert outcome.end is End.CRASHED
    assert (window.folder / CARD).read_bytes() == before
    frame = np.zeros((1, *window.card.input.shape), np.uint8)
    for precision in ("fp32", "fp16"):
        with open_engine("openvino", Bundle.open(window.folder), precision=precision) as engine:
            assert engine.infer(frame).shape == (1, len(window.card.classes))
    # What it left behind goes with the next export.
    export_variant(Bundle.open(window.folder), Order("onnxruntime", "fp32"), Quiet())
    left = {file.name for file in window.folder.iterdir()} - {CARD, *window.card.files}
    assert left == set(good.files)


def test_a_tuned_variant_whose_files_were_changed_is_passed_over_with_one_sentence(window: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from inspector.ml.export.variants import Order

    export_variant(window, Order("openvino", "fp16"), Quiet())
    recipe = recipe_for([window.folder], "simulated:visible", name="changed")
    order = tuning_job.Order(
        recipe, None, 20_000, ("openvino",), ("fp16",), (1,), (1,), budget_s=5, export=False, root=tmp_path
    )
    tuning = tuning_job.tune(order, Quiet())
    assert tuning.chosen is not None
    program = load_program(recipe)
    decision = decide(program, root=tmp_path, test_s=None)  # a busy computer may not keep the speed
    assert [one.precision for one in decision.runtimes.values()] == ["fp16"], decision.note
    file = next(window.folder.glob("openvino-fp16-*.bin"))
    file.write_bytes(bytes(len(file.read_bytes())))
    decision = decide(load_program(recipe), root=tmp_path)
    assert not decision.runtimes
    assert decision.note is not None
    assert "is missing, or not the one this variant was made with (its SHA-256 differs)" in decision.note.text
    assert decision.note.text.endswith("openvino fp32 judges instead.")


def test_a_graph_of_its_own_from_a_newer_version_is_one_sentence(window: Bundle) -> None:
    pytest.importorskip("torch")
    from inspector.ml.export.variants import Order

    bundle, variant = export_variant(window, Order("openvino", "fp16"), Quiet())
    (name,) = [name for name in variant.files if name.endswith(".xml")]
    file = bundle.folder / name
    file.write_text(file.read_text().replace('version="opset1"', 'version="opset99"'))
    assert variant.parity is not None
    files = {**variant.files, name: sha256(file)}
    parity = variant.parity.model_copy(update={"files": {**variant.parity.files, **files}})
    newer = bundle.add_variant(variant.model_copy(update={"files": files, "parity": parity}))
    with pytest.raises(EngineError, match=r"OpenVINO cannot open .*\.xml") as caught:
        open_engine("openvino", newer, precision="fp16")
    assert "\n" not in str(caught.value)
    with open_engine("openvino", newer) as engine:
        engine.infer(np.zeros((1, *window.card.input.shape), np.uint8))
