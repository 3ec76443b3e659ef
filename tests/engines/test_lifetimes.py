"""Files, batches and threads that go away while an engine still uses them."""

import shutil
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from inspector.bundles.bundle import Bundle
from inspector.engines.base import open_engine
from tests.reports import Quiet, export_variant

# A thread computes while the program ends, like one that was left behind in an engine that hung and then went on.
LEFT_BEHIND = """
import sys
import threading
from pathlib import Path

import numpy as np

from inspector.__main__ import main
from inspector.bundles.bundle import Bundle
from inspector.engines.base import open_engine

bundle = Bundle.open(Path(sys.argv[1]))
engine = open_engine("openvino", bundle)
frames = np.zeros((4, *bundle.card.input.shape), np.uint8)
begun = threading.Event()


def compute():
    while True:
        engine.infer(frames)
        begun.set()


threading.Thread(target=compute, daemon=True).start()
begun.wait()
sys.argv[1:] = sys.argv[2:]
main()
"""


def test_a_graph_that_is_written_over_goes_on_as_it_was_opened(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from inspector.ml.export.variants import Order

    folder = shutil.copytree(demo_bundles["window-state"], tmp_path / "window-state")
    bundle, variant = export_variant(Bundle.open(folder), Order("openvino", "fp16"), Quiet())
    (weights,) = [folder / name for name in variant.files if name.endswith(".bin")]
    frames = np.random.default_rng(0).integers(0, 256, (2, *bundle.card.input.shape), np.uint8)
    with open_engine("openvino", bundle, precision="fp16") as engine:
        expected = engine.infer(frames)
        weights.write_bytes(bytes(weights.stat().st_size))  # in place, as a copy over it does
        engine.side_by_side()  # compiles the graph again
        np.testing.assert_allclose(engine.start(frames, beside=True)(), expected, atol=1e-5)
        weights.write_bytes(b"")
        np.testing.assert_array_equal(engine.infer(frames), expected)


def test_a_batch_that_nobody_waits_for_keeps_its_memory_until_it_ends(
    demo_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    events: list[str] = []
    wait = openvino.InferRequest.wait

    def waited(request: openvino.InferRequest) -> None:
        wait(request)
        events.append("ended")

    with open_engine("openvino", Bundle.open(demo_bundles["window-state"])) as engine:
        monkeypatch.setattr(openvino.InferRequest, "wait", waited)
        frames = np.zeros((4, *engine.bundle.card.input.shape), np.uint8)
        weakref.finalize(frames, events.append, "freed")
        pending = engine.start(frames)
        del frames
        assert not events
        del pending
        assert events == ["ended", "freed"]


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("--nonsense", 2)])
def test_a_thread_left_in_an_engine_does_not_make_the_end_a_crash(
    demo_bundles: Mapping[str, Path], argument: str, code: int
) -> None:
    command = [sys.executable, "-c", LEFT_BEHIND, str(demo_bundles["window-state"]), argument]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith("inspector, version") == (code == 0)
    assert "terminate called" not in done.stderr
