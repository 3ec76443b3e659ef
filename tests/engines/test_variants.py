"""Variants of trained bundles: made, judged, activated, and refused where they judge differently."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from inspector.bundles.bundle import GRAPH, WEIGHTS, Bundle, sha256, write_card
from inspector.bundles.reference import read_reference
from inspector.core.errors import BundleError, EngineError
from inspector.core.registry import ENGINES
from inspector.core.types import Floats, Precision
from inspector.engines.base import open_engine
from inspector.imaging.preprocessing import Prepared

torch = pytest.importorskip("torch")
pytest.importorskip("nncf")

from inspector.ml.export.network import export_bundle  # noqa: E402 - needs torch
from inspector.ml.export.parity_check import Gate  # noqa: E402 - needs torch
from inspector.ml.export.variants import Order  # noqa: E402 - needs torch
from inspector.ml.graph import Graph, as_tensor, load_network  # noqa: E402 - needs torch
from inspector.tasks.parity import limits_for  # noqa: E402 - beside it
from inspector.workers.messages import Progress  # noqa: E402
from tests.reports import Quiet, export_variant  # noqa: E402

SHIPPED = {
    "classification": "window-state",
    "detection": "plate-defects",
    "segmentation": "plate-mask",
    "thermal": "equipment-temperature",
}
Infer = Callable[[Prepared], Floats]


@pytest.fixture(autouse=True)
def _few_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def gates(demo_bundles: Mapping[str, Path]) -> Callable[[str], Gate]:
    """The gate of a task's shipped bundle."""
    made: dict[str, Gate] = {}

    def get(task: str) -> Gate:
        if task not in made:
            bundle = Bundle.open(demo_bundles[SHIPPED[task]])
            reference = read_reference(bundle)
            assert reference is not None
            made[task] = Gate(bundle, reference)
        return made[task]

    return get


@pytest.fixture(scope="module")
def narrow(demo_bundles: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    """A copy of a task's shipped bundle with its INT8 variant for OpenVINO."""
    root = tmp_path_factory.mktemp("narrow")
    made: dict[str, Bundle] = {}

    def get(task: str) -> Bundle:
        if task not in made:
            source = Bundle.open(demo_bundles[SHIPPED[task]])
            made[task], _ = export_variant(source, Order("openvino", "int8"), Quiet(), out=root / task)
        return made[task]

    return get


@pytest.fixture
def window(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Bundle:
    """A copy of the smallest shipped bundle, to be changed."""
    return Bundle.open(shutil.copytree(demo_bundles["window-state"], tmp_path / "window-state"))


def not_on_this_machine(engine: str, precision: Precision, bundle: Bundle) -> bool:
    """Whether this machine cannot compute so; then that is what an export says."""
    try:
        ENGINES[engine].load().ensure_here(precision)
    except EngineError:
        with pytest.raises(EngineError, match="on this machine"):
            export_variant(bundle, Order(engine, precision), Quiet())
        return True
    return False


def trained(bundle: Bundle, **changes: object) -> Infer:
    """The bundle's network in a graph whose card says something else."""
    graph = Graph(load_network(bundle), bundle.card.model_copy(update=changes)).eval()

    def infer(batch: Prepared) -> Floats:
        with torch.inference_mode():
            answer: Floats = graph(as_tensor(batch)).numpy()
        return answer

    return infer


@pytest.mark.parametrize("task", SHIPPED)
def test_a_network_agrees_with_itself_and_its_faults_are_caught(
    task: str, gates: Callable[[str], Gate], demo_bundles: Mapping[str, Path]
) -> None:
    bundle, gate = Bundle.open(demo_bundles[SHIPPED[task]]), gates(task)
    limits = limits_for("int8")  # the widest there are

    def refused(infer: Infer) -> bool:
        return not gate.judge(infer, limits=limits, files={}).accepted

    good = trained(bundle)
    same = gate.judge(good, limits=limits_for("fp32"), files={})
    assert same.accepted
    assert same.max_difference == 0
    assert same.flips == 0
    assert same.before == same.after
    card = bundle.card
    channels = card.input.channels
    assert refused(trained(bundle, mean=(0.0,) * channels, std=(255.0,) * channels))  # wrong normalisation
    if channels == 3:
        assert refused(lambda batch: good(np.ascontiguousarray(batch[..., ::-1])))  # BGR where RGB was learnt


@pytest.mark.parametrize("task", SHIPPED)
def test_int8_is_smaller_judges_the_same_and_a_damaged_layer_is_caught(
    task: str, narrow: Callable[[str], Bundle], tmp_path: Path
) -> None:
    bundle = narrow(task)
    variant = bundle.variant("openvino", "int8")
    assert variant is not None
    assert variant.parity is not None
    assert variant.parity.accepted
    assert variant.parity.images >= 20
    assert 0 < variant.parity.mean_difference <= variant.parity.max_mean
    assert variant.calibration >= 8
    assert {"openvino", "nncf", "inspector"} <= set(variant.software)
    size = sum((bundle.folder / name).stat().st_size for name in variant.files if name.endswith(".bin"))
    whole = (bundle.folder / GRAPH).stat().st_size
    # A layer that has to stay in floating point keeps its size.
    assert size < (0.6 if variant.full_precision else 0.4) * whole
    with open_engine("openvino", bundle, precision="int8", threads=1) as engine:
        assert len(engine.infer(np.zeros((2, *bundle.card.input.shape), bundle.card.input.dtype))) == 2

    harmed = Bundle.open(shutil.copytree(bundle.folder, tmp_path / "harmed"))
    weights = next(harmed.folder / name for name in variant.files if name.endswith(".bin"))
    content = bytearray(weights.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = bytes(third)  # the middle third of the weights is gone
    weights.write_bytes(content)
    with pytest.raises(BundleError, match="not the one this variant was made with"):
        open_engine("openvino", harmed, precision="int8")
    # Even with a card that vouches for the file, nothing judges parts with it: its parity was another file's ...
    vouched = variant.model_copy(update={"files": {**variant.files, weights.name: sha256(weights)}})
    forged = write_card(harmed.folder, harmed.card.with_variant(vouched))
    with pytest.raises(BundleError, match="checked with other files"):
        open_engine("openvino", forged, precision="int8")
    # ... and the gate refuses it.
    with pytest.raises(EngineError, match="is refused"):
        export_variant(forged, Order("openvino", "int8", check=True), Quiet())
    told = Bundle.open(harmed.folder).variant("openvino", "int8")
    assert told is not None
    assert told.parity is not None
    assert told.parity.refused is not None
    with pytest.raises(BundleError, match="is refused"):
        open_engine("openvino", Bundle.open(harmed.folder), precision="int8")
    with open_engine("openvino", Bundle.open(harmed.folder)) as engine:  # what is good stays
        engine.infer(np.zeros((1, *bundle.card.input.shape), bundle.card.input.dtype))


@pytest.mark.parametrize(("engine", "precision"), [("openvino", "fp16"), ("openvino", "bf16"), ("openvino", "fp32")])
def test_other_variants_are_judged_before_they_open(engine: str, precision: Precision, window: Bundle) -> None:
    if precision != "fp32":
        with pytest.raises(BundleError, match="has not been exported"):
            open_engine(engine, window, precision=precision)
    if not_on_this_machine(engine, precision, window):
        return
    bundle, variant = export_variant(window, Order(engine, precision), Quiet())
    assert variant.parity is not None
    assert variant.parity.accepted
    assert bundle.card == Bundle.open(window.folder).card
    frames = np.zeros((3, *bundle.card.input.shape), np.uint8)
    with open_engine(engine, bundle, precision=precision) as opened, open_engine(engine, bundle) as plain:
        np.testing.assert_allclose(opened.infer(frames), plain.infer(frames), atol=0.02)


def test_torchscript_computes_in_bf16_in_its_worker(window: Bundle) -> None:
    if not_on_this_machine("torchscript", "bf16", window):
        return
    bundle, _ = export_variant(window, Order("torchscript", "bf16"), Quiet())
    frames = np.random.default_rng(0).integers(0, 256, (2, *bundle.card.input.shape), np.uint8)
    with open_engine("torchscript", bundle, precision="bf16", threads=1) as half, open_engine("openvino", bundle) as plain:
        assert 0 < np.abs(half.infer(frames) - plain.infer(frames)).max() < 0.05


def test_onnx_runtime_runs_int8(window: Bundle) -> None:
    bundle, variant = export_variant(window, Order("onnxruntime", "int8"), Quiet())
    assert [Path(name).suffix for name in variant.files] == [".onnx"]
    assert (bundle.folder / next(iter(variant.files))).stat().st_size < 0.5 * (bundle.folder / GRAPH).stat().st_size
    reference = read_reference(bundle)
    assert reference is not None
    frames = reference.frames[reference.calibration :][:8]
    with open_engine("onnxruntime", bundle, precision="int8") as opened, open_engine("onnxruntime", bundle) as plain:
        narrow, wide = opened.infer(frames), plain.infer(frames)
    assert 0 < np.abs(narrow - wide).max() < 0.1
    np.testing.assert_array_equal(narrow.argmax(1), wide.argmax(1))


def test_a_new_export_replaces_the_old_files_and_keeps_the_other_variants(window: Bundle) -> None:
    bundle, _ = export_variant(window, Order("openvino", "fp32"), Quiet())
    (bundle.folder / "openvino-fp16-00000000.bin").write_bytes(b"of a killed export")
    (bundle.folder / ".export-999999999-x").mkdir()
    bundle, variant = export_variant(bundle, Order("openvino", "fp16"), Quiet())
    assert {one.precision for one in bundle.card.variants} == {"fp32", "fp16"}
    own = {file.name for file in bundle.folder.iterdir() if file.name.startswith(("openvino", ".export"))}
    assert own == set(variant.files)
    assert set(variant.files).isdisjoint(bundle.card.files)


def test_a_shipped_bundle_is_exported_for_the_user_and_stays_as_it_is(
    demo_bundles: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    folder = demo_bundles["window-state"]
    before = {file.name: sha256(file) for file in folder.iterdir()}
    bundle, variant = export_variant(Bundle.open(folder), Order("openvino", "fp16"), Quiet())
    assert {file.name: sha256(file) for file in folder.iterdir()} == before
    assert {file.name for file in bundle.variants_folder.iterdir()} == {*variant.files, "variants.json"}
    with open_engine("openvino", Bundle.open(folder), precision="fp16") as engine:
        assert len(engine.infer(np.zeros((1, *bundle.card.input.shape), np.uint8))) == 1


def test_a_variant_that_is_refused_leaves_the_accepted_one(window: Bundle) -> None:
    bundle, good = export_variant(window, Order("openvino", "int8"), Quiet())
    # A card whose normalisation is not the graph's: the same export now differs from the trained network.
    wrong = Bundle(bundle.folder, bundle.card.model_copy(update={"mean": (0.0, 0.0, 0.0)}))
    with pytest.raises(EngineError, match=r"is refused|No layer"):
        export_variant(wrong, Order("openvino", "int8"), Quiet())
    assert Bundle.open(window.folder).variant("openvino", "int8") == good
    with open_engine("openvino", Bundle.open(window.folder), precision="int8") as engine:
        engine.infer(np.zeros((1, *window.card.input.shape), np.uint8))


def test_another_graph_or_other_weights_end_what_was_proven(window: Bundle) -> None:
    bundle, _ = export_variant(window, Order("openvino", "fp16"), Quiet())
    for name in (GRAPH, WEIGHTS):
        other = Bundle(bundle.folder, bundle.card.model_copy(update={"files": {**bundle.card.files, name: "0" * 64}}))
        with pytest.raises(BundleError, match="checked with other files"):
            open_engine("openvino", other, precision="fp16")


class _Meanwhile(Quiet):
    """Does something once, when the variant begins to be judged: as another process would at that moment."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act: Callable[[], object] | None = act

    def progress(self, message: Progress) -> None:
        super().progress(message)
        if message.phase == "judge" and self._act is not None:
            act, self._act = self._act, None
            act()


def test_two_exports_of_one_bundle_at_once_keep_both_variants(window: Bundle) -> None:
    def other() -> None:
        export_variant(Bundle.open(window.folder), Order("openvino", "fp16"), Quiet())

    bundle, _ = export_variant(window, Order("onnxruntime", "int8"), _Meanwhile(other))
    assert bundle.card == Bundle.open(window.folder).card
    assert {one.precision for one in bundle.card.variants} == {"fp16", "int8"}
    frames = np.zeros((1, *window.card.input.shape), np.uint8)
    for engine, precision in (("openvino", "fp16"), ("onnxruntime", "int8")):
        with open_engine(engine, bundle, precision=precision) as opened:
            assert len(opened.infer(frames)) == 1
    left = {file.name for file in window.folder.iterdir()} - {"card.json", *window.card.files}
    assert left == bundle.card.variant_files


def test_what_is_refused_here_leaves_what_passed_elsewhere_meanwhile(window: Bundle) -> None:
    # A card whose normalisation is not the graph's: this export differs from the trained network.
    wrong = Bundle(window.folder, window.card.model_copy(update={"mean": (0.0, 0.0, 0.0)}))

    def other() -> None:
        export_variant(Bundle.open(window.folder), Order("openvino", "fp16"), Quiet())

    with pytest.raises(EngineError, match="is refused"):
        export_variant(wrong, Order("openvino", "fp16"), _Meanwhile(other))
    with open_engine("openvino", Bundle.open(window.folder), precision="fp16") as engine:
        engine.infer(np.zeros((1, *window.card.input.shape), np.uint8))


def test_a_graph_made_again_keeps_the_variants_that_others_made(window: Bundle, tmp_path: Path) -> None:
    _, variant = export_variant(window, Order("openvino", "fp16"), Quiet())
    again = export_bundle(window, window.folder)  # `window` knows nothing of the variant
    assert again.variant("openvino", "fp16") == variant
    again.verify_variant(variant)
    assert Bundle.open(window.folder).card == again.card
    assert not export_bundle(again, tmp_path / "elsewhere").card.variants
