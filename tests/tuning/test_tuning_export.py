"""A tuning exports what is missing: through the gate, in a worker of its own, and it goes on whatever happens to that."""

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from inspector.bundles.bundle import CARD, Bundle, write_card
from inspector.bundles.reference import REFERENCE
from inspector.bundles.status import standing
from inspector.core.message import message
from inspector.core.sentence import sentence
from inspector.recipes.automatic import recipe_for
from inspector.tuning import job as tuning_job
from inspector.tuning.export import possible
from inspector.tuning.job import Order, tune
from inspector.tuning.plan import Tuning, exported, refused, unavailable

pytest.importorskip("nncf")

from inspector.ml.export.variants import Order as ExportOrder
from inspector.workers.messages import Progress
from tests.children import workers
from tests.reports import Quiet, export_variant


class Told(Quiet):
    """`do` is called whenever an export has come to INT8."""

    def __init__(self, do: Any = None) -> None:
        super().__init__()
        self._do = do

    def progress(self, message: Progress) -> None:
        super().progress(message)
        if self._do is not None and message.phase == "export" and "int8" in message.what:
            self._do()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning_job, "ROW_S", 0.1)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


@pytest.fixture
def window(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Bundle:
    """A copy of the smallest shipped bundle, to be exported."""
    return Bundle.open(shutil.copytree(demo_bundles["window-state"], tmp_path / "window-state"))


def order(bundle: Bundle, *precisions: Any) -> Order:
    return Order(
        recipe_for([bundle.folder], "simulated:visible", name="window"),
        None,
        takt_ms=20_000,
        engines=("openvino",),
        precisions=precisions,
        threads=(1,),
        batches=(1,),
        budget_s=20,
        root=bundle.folder.parent / "tuned",
    )


def measured(tuning: Tuning) -> set[str]:
    return {row.precision for row in tuning.rows}


def told(tuning: Tuning) -> list[str]:
    return [one.text for one in tuning.left_out if "Other programs" not in one.text]


def test_what_is_missing_is_exported_once_and_measured(window: Bundle) -> None:
    report = Told()
    tuning = tune(order(window, "fp32", "fp16", "int8"), report)
    assert {(use.engine, use.precision) for use in tuning.made} == {("openvino", "fp16"), ("openvino", "int8")}
    assert exported(tuning) == "openvino int8 (1), openvino fp16 (1)"
    assert measured(tuning) == {"fp32", "fp16", "int8"}
    assert not told(tuning)
    assert all(one.accepted and one.images >= 20 for one in tuning.judged)
    assert tuning.chosen is not None
    steps = [int(str(one["step"])) for one in report.progresses if one["phase"] == "export"]
    assert steps == sorted(steps)
    assert {one["steps"] for one in report.progresses if one["phase"] == "export"} == {200}
    bundle = Bundle.open(window.folder)
    assert all(standing(bundle, "openvino", precision).state == "passed" for precision in ("fp16", "int8"))
    before = (window.folder / CARD).read_bytes()
    again = Told()
    assert not tune(order(window, "fp32", "fp16", "int8"), again).made
    assert "export" not in {one["phase"] for one in again.progresses}
    assert (window.folder / CARD).read_bytes() == before


def test_a_bundle_without_reference_images_says_so_once_and_its_own_graph_is_measured(window: Bundle) -> None:
    files = {name: digest for name, digest in window.card.files.items() if name != REFERENCE}
    write_card(window.folder, window.card.model_copy(update={"files": files}))
    (window.folder / REFERENCE).unlink()
    tuning = tune(order(window, "fp32", "fp16", "int8"), Told())
    assert measured(tuning) == {"fp32"}
    (why, known) = told(tuning)
    assert "has 0 reference images to be judged, and 8 are needed" in why
    assert "has no reference images: only its own graph in fp32 is measured" in known
    assert tuning.chosen is not None


def test_without_the_packages_that_export_one_sentence_and_what_is_there_is_measured(
    window: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    tuning = tune(order(window, "fp32", "fp16", "int8"), Told())
    (sentence,) = told(tuning)
    assert sentence.startswith("Only what is there is measured: an export needs the Python package torch")
    assert "--with train" in sentence
    assert measured(tuning) == {"fp32"}


def test_what_was_refused_is_not_tried_again_with_the_same_versions_but_is_said(window: Bundle) -> None:
    bundle, variant = export_variant(window, ExportOrder("openvino", "fp16"), Quiet())
    assert variant.parity is not None
    told_of = sentence(message("it is planted."))

    def refuse(**changes: Any) -> None:
        parity = variant.parity.model_copy(update={"refused": told_of, **changes})  # type: ignore[union-attr]  # see above
        bundle.add_variant(variant.model_copy(update={"parity": parity}))

    refuse()
    before = (window.folder / CARD).read_bytes()
    tuning = tune(order(window, "fp32", "fp16"), Told())
    assert not tuning.made
    (one,) = refused(tuning)
    assert (one.precision, one.reason, one.images) == ("fp16", told_of, variant.parity.images)
    assert (window.folder / CARD).read_bytes() == before
    refuse(max_drop=0.001)  # by a narrower limit than a tuning's
    assert [use.precision for use in tune(order(window, "fp32", "fp16"), Told()).made] == ["fp16"]
    failed = variant.model_copy(update={"failed": told_of, "parity": None, "files": {}})
    bundle.add_variant(failed)
    tuning = tune(order(window, "fp32", "fp16"), Told())
    assert not tuning.made
    assert [(one.precision, one.reason) for one in refused(tuning)] == [("fp16", told_of)]
    assert not unavailable(tuning)
    old = variant.model_copy(update={"software": {**variant.software, "openvino": "2020.1"}})
    bundle.add_variant(old.model_copy(update={"failed": told_of, "parity": None}))
    assert [use.precision for use in tune(order(window, "fp32", "fp16"), Told()).made] == ["fp16"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
@pytest.mark.parametrize(("how", "said"), [("SIGKILL", "killed (SIGKILL)"), ("SIGSTOP", "suspended from outside")])
def test_an_export_that_is_killed_leaves_the_last_good_variant_and_the_tuning_goes_on(
    window: Bundle, how: str, said: str
) -> None:
    tune(order(window, "fp16"), Told())
    good = (window.folder / CARD).read_bytes()
    killed: list[int] = []

    def kill() -> None:
        killed.extend(child.pid for child in workers(recursive=True) if child.pid not in killed)
        for pid in killed:
            os.kill(pid, getattr(signal, how))

    tuning = tune(order(window, "fp32", "fp16", "int8"), Told(kill))
    assert killed
    assert measured(tuning) == {"fp32", "fp16"}
    (sentence,) = told(tuning)
    assert said in sentence
    assert not workers(recursive=True)
    assert (window.folder / CARD).read_bytes() == good


def test_cancelling_ends_the_export_and_keeps_what_was_there(window: Bundle) -> None:
    before = (window.folder / CARD).read_bytes()

    def cancel() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(order(window, "int8"), Told(cancel))
    psutil.wait_procs(workers(recursive=True), timeout=5)
    assert not workers(recursive=True)
    assert (window.folder / CARD).read_bytes() == before
    assert not (window.folder.parent / "tuned").exists()


def test_what_this_machine_cannot_compute_is_not_tried() -> None:
    kinds = possible([("openvino", "fp32"), ("openvino", "fp32"), ("tensorrt", "int8"), ("torchscript", "bf16")])
    assert kinds[0] == ("openvino", "fp32")
    assert kinds.count(("openvino", "fp32")) == 1
    assert kinds[-1] == ("torchscript", "bf16")  # asked in the worker, which may load torch
