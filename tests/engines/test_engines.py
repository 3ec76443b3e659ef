"""Every engine gives the same outputs and the same decisions from the same bundle."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import ConfigError, EngineError
from inspector.core.registry import ENGINES
from inspector.core.types import Boxes, Frame, Masks, Prediction, Region, Scores, Temperatures
from inspector.engines.base import Engine, open_engine
from inspector.imaging.preprocessing import Prepared, view
from inspector.tasks.base import task_of
from inspector.tasks.masks import class_map

HERE = [name for name, entry in ENGINES.items() if not entry.gated]  # the others need hardware, or their variant
TASKS = ["classification", "detection", "segmentation", "thermal"]
Bundles = Callable[[str], Bundle]
Batch = Callable[[Card, int], Prepared]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The torch engines set torch's threads, which are the whole process's."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def opened(name: str, bundle: Bundle) -> Engine:
    """The engine itself, in this process, whatever the registry says of isolation."""
    engine: Engine = ENGINES[name].load()(bundle, threads=1)
    return engine


def decode(bundle: Bundle, frames: Prepared, raw: np.ndarray) -> list[Prediction]:
    card = bundle.card
    region = Region(0, 0, card.input.width, card.input.height)
    kelvin = card.input.reads == "kelvin"
    made = [
        Frame(pixels[..., 0] if kelvin else pixels, "c", i, 0.0, datetime.now(UTC), "kelvin" if kelvin else "intensity")
        for i, pixels in enumerate(frames)
    ]
    return task_of(card.task).decode(raw, card, [view(region, card.input, "c")] * len(frames), made)


@pytest.mark.parametrize("task", TASKS)
def test_all_engines_agree_with_torch(task: str, bundles: Bundles, batch: Batch) -> None:
    bundle = bundles(task)
    frames = batch(bundle.card, 4)
    outputs = {}
    for name in HERE:
        with opened(name, bundle) as engine:
            outputs[name] = engine.infer(frames)
            for index in range(4):  # whatever the batch, a frame's output is the same
                alone = engine.infer(frames[index : index + 1])
                np.testing.assert_allclose(alone[0], outputs[name][index], atol=1e-4)
    expected = outputs["torch"]
    tolerance = 5e-3 if task == "thermal" else 1e-5  # kelvin; probability
    assert np.ptp(expected, axis=0).max() > 100 * tolerance, "the frames must differ, or agreement means nothing"
    for name, output in outputs.items():
        assert output.dtype == np.float32
        np.testing.assert_allclose(output, expected, atol=tolerance, rtol=0, err_msg=name)


@pytest.mark.parametrize("task", TASKS)
def test_all_engines_lead_to_the_same_predictions(task: str, bundles: Bundles, batch: Batch) -> None:
    bundle = bundles(task)
    frames = batch(bundle.card, 3)
    predictions = {}
    for name in HERE:
        with opened(name, bundle) as engine:
            predictions[name] = decode(bundle, frames, engine.infer(frames))
    for name, found in predictions.items():
        for one, wanted in zip(found, predictions["torch"], strict=True):
            _same(one, wanted, name)


def _same(one: Prediction, wanted: Prediction, name: str) -> None:
    match one.answer, wanted.answer:
        case Scores() as found, Scores() as right:
            assert found.best == right.best, name
        case Boxes() as found, Boxes() as right:
            assert len(found) == len(right) > 0, name
            np.testing.assert_array_equal(found.classes, right.classes)
            np.testing.assert_allclose(found.xyxy, right.xyxy, atol=0.01)
        case Masks() as found, Masks() as right:
            assert np.abs(found.planes.astype(int) - right.planes.astype(int)).max() <= 1, name
            assert np.count_nonzero(class_map(one) != class_map(wanted)) <= 2, name  # a probability of exactly one half
        case Temperatures() as found, Temperatures() as right:
            assert found.predicted == pytest.approx(right.predicted, abs=0.01), name
        case other:
            pytest.fail(f"{name}: {other}")


@pytest.mark.parametrize("name", HERE)
def test_batches_that_do_not_fit_are_refused(name: str, bundles: Bundles, batch: Batch) -> None:
    bundle = bundles("classification")
    frames = batch(bundle.card, 4)
    with opened(name, bundle) as engine:
        for wrong in (
            np.concatenate([frames, frames]),
            frames[:0],
            frames.astype(np.float32),
            frames[:, :-1],
            frames[..., :1],
            frames[0],
        ):
            with pytest.raises(EngineError, match="takes 1 to 4 frames"):
                engine.infer(wrong)
        assert engine.infer(frames).shape == (4, 3)


@pytest.mark.parametrize("name", HERE)
def test_frames_that_are_not_contiguous_or_read_only_are_taken(name: str, bundles: Bundles, batch: Batch) -> None:
    bundle = bundles("classification")
    frames = batch(bundle.card, 4)
    with opened(name, bundle) as engine:
        expected = engine.infer(frames)
        np.testing.assert_allclose(engine.infer(frames[::-1]), expected[::-1], atol=1e-6)
        fixed = frames.copy()
        fixed.flags.writeable = False
        np.testing.assert_array_equal(engine.infer(fixed), expected)


@pytest.mark.parametrize("name", HERE)
def test_outputs_stay_what_they_were_and_a_closed_engine_says_so(name: str, bundles: Bundles, batch: Batch) -> None:
    bundle = bundles("classification")
    engine = opened(name, bundle)
    first = engine.infer(batch(bundle.card, 2))
    kept = first.copy()
    engine.infer(batch(bundle.card, 3))
    np.testing.assert_array_equal(first, kept)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(batch(bundle.card, 1))


@pytest.mark.parametrize("name", HERE)
def test_batches_under_way_at_once_give_what_each_gives_alone(name: str, bundles: Bundles, batch: Batch) -> None:
    bundle = bundles("segmentation")
    batches = [batch(bundle.card, count) for count in (4, 1, 3, 4, 2)]
    with opened(name, bundle) as engine:
        alone = [engine.infer(frames) for frames in batches]
        others = engine.side_by_side()
        assert others == engine.side_by_side()
        waiting = [engine.start(frames, beside=others > 0) for frames in batches]
        found = [wait() for wait in waiting]
        again = [engine.start(frames, beside=others > 0)() for frames in reversed(batches)]
        for expected, first, second in zip(alone, found, reversed(again), strict=True):
            np.testing.assert_allclose(first, expected, atol=1e-5)
            np.testing.assert_array_equal(second, first)


def test_openvino_takes_several_batches_at_once_unless_it_has_one_thread(bundles: Bundles, batch: Batch) -> None:
    bundle = bundles("classification")
    with ENGINES["openvino"].load()(bundle, threads=1) as engine:
        assert engine.side_by_side() == 0
    engine = ENGINES["openvino"].load()(bundle)
    assert engine.side_by_side() > 0
    waiting = [engine.start(batch(bundle.card, 2), beside=True) for _ in range(3)]
    engine.close()  # what is under way is finished all the same
    assert [wait().shape for wait in waiting] == [(2, 3)] * 3
    with pytest.raises(EngineError, match="closed"):
        engine.start(batch(bundle.card, 1), beside=True)


def test_an_unknown_engine_lists_those_there_are(bundles: Bundles) -> None:
    with pytest.raises(ConfigError, match="openvino"):
        open_engine("abacus", bundles("classification"))


def test_onnx_runtime_sleeps_when_it_has_nothing_to_do(bundles: Bundles, batch: Batch) -> None:
    bundle = bundles("segmentation")
    frames = batch(bundle.card, 4)
    with ENGINES["onnxruntime"].load()(bundle, threads=2) as engine:
        engine.infer(frames)
        began = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - began < 0.1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads keep to cores on Linux only")
def test_openvino_keeps_its_own_threads_to_cores_and_not_its_caller(bundles: Bundles, batch: Batch) -> None:
    everywhere = os.sched_getaffinity(0)
    bundle = bundles("classification")
    with ENGINES["openvino"].load()(bundle) as engine:
        engine.side_by_side()
        engine.infer(batch(bundle.card, 2))
        for wait in [engine.start(batch(bundle.card, 2), beside=True) for _ in range(3)]:
            wait()
        assert os.sched_getaffinity(0) == everywhere
        found: list[set[int]] = []
        later = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
        later.start()
        later.join()
        assert found == [everywhere]
