"""The self-test finds the engine that is wrong, keeps what it found, and another engine judges in place of one that failed."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inspector.core.errors import ConfigError, EngineError
from inspector.core.registry import ENGINES, Entry
from inspector.core.types import Floats
from inspector.engines.openvino_runtime import OpenVinoEngine
from inspector.imaging.preprocessing import Prepared
from inspector.inspection.program import load_program
from inspector.recipes.locate import demo_recipe
from inspector.recipes.recipe import load_recipe
from inspector.tuning import self_test as subject
from inspector.tuning.store import decide, this_processor


class Forgetful(OpenVinoEngine):
    """An engine of a damaged library: it answers, in the right shape, but not what was asked."""

    def infer(self, batch: Prepared) -> Floats:
        return np.ascontiguousarray(super().infer(batch)[..., ::-1]) + 40.0


class Numberless(OpenVinoEngine):
    """An engine whose answers are no numbers."""

    def infer(self, batch: Prepared) -> Floats:
        return super().infer(batch) * np.float32("nan")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, demo_bundles: dict[str, Path]) -> None:
    """Only the engines that run without torch."""
    for name in [name for name in ENGINES if name not in ("openvino", "onnxruntime")]:
        monkeypatch.delitem(ENGINES, name)


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize("kind", ["Forgetful", "Numberless"])
def test_the_engine_that_is_wrong_is_named_though_it_is_asked_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    wrong = replace(ENGINES["openvino"], target=f"{__name__}:{kind}")
    monkeypatch.setitem(ENGINES, "openvino", wrong)
    machine = this_processor()
    test = subject.run(machine)
    assert test is not None
    assert [(one.engine, one.passed) for one in test.engines] == [("openvino", False), ("onnxruntime", True)]
    right = test.of("onnxruntime")
    assert right is not None
    assert right.images > 0
    assert right.milliseconds is not None

    subject.keep(test, root=tmp_path)
    assert subject.kept(root=tmp_path) == test
    program = load_program(load_recipe(demo_recipe()), demo_recipe().parent)
    decision = decide(program, machine=machine, root=tmp_path / "tuned")
    assert {runtime.engine for runtime in decision.runtimes.values()} == {"onnxruntime"}
    assert decision.note is not None
    assert decision.note.text.startswith("OpenVINO failed its self-test on this computer, so ONNX Runtime judges instead.")
    elsewhere = machine.model_copy(update={"software": {**machine.software, "openvino": "1.0"}})
    assert not decide(program, machine=elsewhere, root=tmp_path / "tuned").runtimes


@pytest.mark.usefixtures("engines")
def test_an_engine_that_fails_when_asked_again_does_not_end_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise EngineError("It is gone.")

    monkeypatch.setattr(subject.Gate, "distance", fails)
    test = subject.run(this_processor())
    assert test is not None
    assert [one.engine for one in test.engines] == ["openvino", "onnxruntime"]


@pytest.mark.usefixtures("engines")
def test_healthy_engines_pass_and_the_recipe_s_own_judges(tmp_path: Path) -> None:
    machine = this_processor()
    test = subject.run(machine)
    assert test is not None
    assert all(one.passed for one in test.engines)
    subject.keep(test, root=tmp_path)
    assert subject.stand_in(["openvino"], lambda: machine, root=tmp_path) is None
    assert [one.text.partition(":")[0].split()[0] for one in subject.in_words(test)] == ["OpenVINO", "ONNX"]


@pytest.mark.parametrize("data", [b"", b"{", b'{"engines": 1}'])
def test_a_damaged_record_counts_as_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / subject.FILE).write_bytes(data)
    assert subject.kept(root=tmp_path) is None
    assert subject.stand_in(["openvino"], this_processor, root=tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs a name that Python loads as a library")
def test_a_damaged_library_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_a_library.abi3.so").write_bytes(b"\x7fELF")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"Half cannot be loaded \(.*half_a_library.abi3.so.*\)\. Install the program again"):
        Entry("half_a_library:thing", "Half").load()
