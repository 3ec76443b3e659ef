"""The self-test of the engines: the smallest shipped bundle on its own reference images, on every engine of this computer.

The outcome is kept in the user's folder. An engine that failed judges nothing while another one passed: `stand_in` names it.
"""

import importlib.metadata
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from inspector.bundles.bundle import Bundle
from inspector.bundles.reference import Reference, read_reference
from inspector.bundles.variants import Parity
from inspector.core.config import Count, FiniteModel, write_atomically
from inspector.core.errors import EngineError, InspectorError, StorageError, as_problem
from inspector.core.message import Message, message
from inspector.core.registry import ENGINES
from inspector.core.sentence import Sentence, sentence
from inspector.core.storage.paths import models, user_data
from inspector.core.untrusted import parse_json, read_bounded
from inspector.engines.base import Engine, open_engine
from inspector.imaging.preprocessing import Prepared
from inspector.recipes.locate import find_bundles
from inspector.tasks.parity import limits_for
from inspector.tasks.parity_check import Gate
from inspector.tuning.plan import Machine

FILE: Final = "self-test.json"
_LARGEST_FILE: Final = 1024 * 1024  # bytes
_CALLS: Final = 5


class EngineTest(FiniteModel):
    """How an engine did: `version` of its package, `milliseconds` of one image, and how many reference images agreed.

    `problem`: why it must not judge, and what to do; None if it passed.
    """

    model_config = ConfigDict(extra="ignore")

    engine: str
    version: str
    milliseconds: float | None = None
    images: Count = 0
    problem: Sentence | None = None
    remedy: Sentence | None = None

    @property
    def passed(self) -> bool:
        return self.problem is None


class SelfTest(FiniteModel):
    """One run of the test with `bundle` on `machine`; `engines` are those that could be tried."""

    model_config = ConfigDict(extra="ignore")

    created: datetime
    machine: Machine
    bundle: str
    engines: tuple[EngineTest, ...] = Field(max_length=100)

    def of(self, engine: str) -> EngineTest | None:
        """Return the result of an engine; None if it was not tried."""
        return next((one for one in self.engines if one.engine == engine), None)


def smallest_bundle() -> Bundle | None:
    """Return the smallest bundle that ships with the program; None if there is none. Raises ConfigError for a damaged one."""
    folders = find_bundles(models())
    if not folders:
        return None
    return Bundle.open(min(folders, key=lambda folder: sum(file.stat().st_size for file in folder.iterdir())))


def triable() -> dict[str, str]:
    """Return the engines whose package is installed and that run any bundle as it is, with the package's version."""
    found = {}
    for name, entry in ENGINES.items():
        try:
            version = importlib.metadata.version(entry.software[0])
        except importlib.metadata.PackageNotFoundError:
            continue
        if not entry.gated:
            found[name] = version
    return found


def run(machine: Machine) -> SelfTest | None:
    """Test every engine and return the outcome; None if no bundle with reference images ships with the program.

    Raises ConfigError if the bundle is damaged.
    """
    bundle = smallest_bundle()
    reference = None if bundle is None else read_reference(bundle)
    if bundle is None or reference is None:
        return None
    versions = triable()
    results: dict[str, EngineTest] = {}
    with ExitStack() as stack:
        opened: dict[str, Engine] = {}
        for name, version in versions.items():
            try:
                engine = stack.enter_context(open_engine(name, bundle))
                milliseconds = _time(engine, reference.frames[:1])
            except InspectorError as error:
                results[name] = _failed(name, version, error)
                continue
            except Exception as error:  # noqa: BLE001 - a damaged library may raise anything, and the others must be tried
                results[name] = _failed(name, version, as_problem(error))
                continue
            opened[name] = engine
            results[name] = EngineTest(engine=name, version=version, milliseconds=milliseconds)
        results |= _compared(bundle, reference, opened, results)
    now = datetime.now(UTC)
    return SelfTest(created=now, machine=machine, bundle=bundle.name, engines=tuple(results[name] for name in versions))


def _failed(name: str, version: str, error: InspectorError) -> EngineTest:
    remedy = error.remedy or message("Install the program again, or use another engine.")
    return EngineTest(engine=name, version=version, problem=sentence(error.problem), remedy=sentence(remedy))


def _time(engine: Engine, batch: Prepared) -> float:
    """Return the median time of one image in ms, after a warm-up."""
    times = []
    for _ in range(_CALLS + 1):
        start = time.monotonic()
        engine.infer(batch)
        times.append(time.monotonic() - start)
    return float(np.median(times[1:])) * 1e3


def _compared(
    bundle: Bundle, reference: Reference, opened: Mapping[str, Engine], results: Mapping[str, EngineTest]
) -> dict[str, EngineTest]:
    """Compare the engines' answers with those of the one that is most often right about the reference images.

    If two differ, the one that knows the truth less well is at fault, whichever was tried first.
    """
    found: dict[str, EngineTest] = {}
    working = dict(opened)
    best = ""
    while working and not best:
        name = next(iter(working))
        try:
            parities = _parities(Gate(bundle, reference, working[name].infer), working)
        except EngineError as error:  # its answers are no numbers
            found[name] = _failed(name, results[name].version, error)
            del working[name]
            continue
        best = max(parities, default=name, key=lambda one: (parities[one].after, one == name))
    if not best:
        return found
    gate = Gate(bundle, reference, working[best].infer)
    for name, engine in working.items():
        try:
            parity = gate.judge(engine.infer, limits=limits_for("fp32"), files={})
        except EngineError as error:
            found[name] = _failed(name, results[name].version, error)
            continue
        problem = parity.refused
        remedy = None if problem is None else sentence(message("Install the program again, or use another engine."))
        found[name] = results[name].model_copy(update={"images": parity.images, "problem": problem, "remedy": remedy})
    return found


def _parities(gate: Gate, engines: Mapping[str, Engine]) -> dict[str, Parity]:
    found = {}
    for name, engine in engines.items():
        try:
            found[name] = gate.distance(engine.infer, range(len(gate)), limits=limits_for("fp32"))
        except EngineError:  # told when it is judged
            continue
    return found


# ---- what is kept --------------------


def keep(test: SelfTest, *, root: Path | None = None) -> None:
    """Keep a test in the user's folder. A folder that cannot be written keeps the test before: a later start tests again."""
    try:
        write_atomically((root or user_data()) / FILE, test.model_dump_json().encode())
    except StorageError:
        return


def kept(*, root: Path | None = None) -> SelfTest | None:
    """Return the last test that was kept; None if there is none that can be read."""
    try:
        return SelfTest.model_validate(parse_json(read_bounded((root or user_data()) / FILE, limit=_LARGEST_FILE)))
    except (OSError, ValueError, ValidationError):
        return None


def stand_in(
    engines: Sequence[str], machine: Callable[[], Machine], *, root: Path | None = None
) -> tuple[EngineTest, EngineTest] | None:
    """Return the first of these engines that failed the last test, and the fastest that passed it; None if all may judge.

    `machine`: returns this computer, on which the test must have been made with the same versions.
    """
    test = kept(root=root)
    failed = None if test is None else next((one for one in test.engines if one.engine in engines and not one.passed), None)
    if test is None or failed is None:
        return None
    passed = [one for one in test.engines if one.passed and one.milliseconds is not None and not ENGINES[one.engine].isolate]
    if not passed or machine().differences(test.machine):
        return None
    return failed, min(passed, key=lambda one: one.milliseconds or 0.0)


def in_words(test: SelfTest) -> list[Message]:
    """Return what the test found, a sentence for each engine."""
    found = []
    for one in test.engines:
        label = ENGINES[one.engine].label if one.engine in ENGINES else one.engine
        if one.problem is not None:
            text = "{engine} {version} failed: {problem}"
            found.append(message(text, engine=label, version=one.version, problem=one.problem.message))
        else:
            text = "{engine} {version}: {milliseconds:.1f} ms an image, and its answers to {images} reference images are right."
            values = {"version": one.version, "milliseconds": one.milliseconds or 0.0, "images": one.images}
            found.append(message(text, engine=label, **values))
    return found
