"""Stores the choice of a tuning for this machine; it is tested for two seconds at every start before it judges anything.

There is one file per recipe in the user's folder, with the newest tuning first. A choice made on other hardware, with other
versions or for other bundles, or that fails its test, is skipped for the one before it, and finally for the recipe's own
engine. A sentence always says so.
"""

import hashlib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from pydantic import ValidationError

from inspector import __version__
from inspector.bundles.bundle import Bundle
from inspector.bundles.reference import read_reference
from inspector.core.config import write_atomically
from inspector.core.errors import InspectorError
from inspector.core.message import Message, message
from inspector.core.registry import ENGINES
from inspector.core.storage.paths import user_data
from inspector.core.types import Floats
from inspector.core.untrusted import parse_json, read_bounded
from inspector.engines.base import Engine
from inspector.imaging.preprocessing import Prepared
from inspector.inspection.program import Program, Runtime
from inspector.recipes.recipe import Recipe
from inspector.tuning import self_test as engines_test
from inspector.tuning.measure import PROOF, runtimes_of, with_runtimes
from inspector.tuning.plan import Machine, Plan, Tuning, why

_LARGEST_FILE: Final = 16 * 1024 * 1024  # bytes
KEPT: Final = 5  # tunings a recipe
TEST_S: Final = 2.0  # measuring time for all bundles together
GROUPS: Final = 3  # the fastest of this many medians counts, because another program may disturb the others
SLOW: Final = 2.0  # factor on the time measured when it was chosen
SLACK_MS: Final = 1.0
APART: Final = 0.02  # share of the range of the answers that they may differ by; the same variant gives nearly the same
_FEATURES: Final = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")


@dataclass(frozen=True, slots=True)
class Decision:
    """The runtimes to use, and why.

    `runtimes` by bundle and `batch` override the recipe's; there are none if the recipe's own are used. `note`: what a person
    must know, because the latest choice is not in use.
    """

    why: Message
    runtimes: Mapping[str, Runtime] = field(default_factory=dict)
    batch: int | None = None
    note: Message | None = None

    def apply(self, program: Program) -> Program:
        """Return the program with the decision applied."""
        told = replace(program, why=self.why, note=self.note, tuned=bool(self.runtimes))
        return with_runtimes(told, self.runtimes, batch=self.batch) if self.runtimes else told


def this_processor() -> Machine:
    """Return the machine that a choice made here is valid for. Loads no engine."""
    from inspector.training.costs import core_count, gpu_names

    software = {"inspector": __version__}
    for package in dict.fromkeys(package for engine in ENGINES.values() for package in engine.software):
        try:
            software[package] = version(package)
        except PackageNotFoundError:
            continue
    name, flags = _cpuinfo()
    features = tuple(feature for feature in _FEATURES if feature in flags)
    return Machine(processor=name, cores=core_count(), features=features, gpu=", ".join(gpu_names()), software=software)


def _cpuinfo() -> tuple[str, frozenset[str]]:
    """Return the processor's name and features as Linux reports them; on other systems as Python reports them."""
    other = platform.processor() or platform.machine()
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return other, frozenset()
    entries = dict(line.split(":", 1) for line in reversed(text.splitlines()) if ":" in line)
    found = {key.strip(): value.strip() for key, value in entries.items()}
    return found.get("model name", other), frozenset((found.get("flags") or found.get("Features") or "").split())


def bundles_of(program: Program) -> dict[str, Bundle]:
    """Return the bundles of a program by their name in its recipe."""
    return {step.model.bundle: step.bundle for step in program.steps}


# ---- the file --------------------


def _file(recipe: str, root: Path | None) -> Path:
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    safe = "".join(letter if letter.isalnum() else "-" for letter in recipe)[:40]
    return (root or user_data() / "tuned") / f"{safe}-{digest}.json"


def load_tunings(recipe: str, *, root: Path | None = None) -> list[Tuning]:
    """Return the tunings of a recipe, newest first; none if the file cannot be read: the recipe's own engine is then used."""
    try:
        data = parse_json(read_bounded(_file(recipe, root), limit=_LARGEST_FILE))
        return [Tuning.model_validate(one) for one in data["tunings"]]
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return []


def save_tuning(tuning: Tuning, proofs: Mapping[str, Floats], *, root: Path | None = None) -> Path:
    """Insert a tuning before the others of its recipe.

    `proofs`: raw answers by bundle, for the self-test. Raises StorageError.
    """
    from safetensors.numpy import save

    file = _file(tuning.recipe, root)
    kept = [tuning, *load_tunings(tuning.recipe, root=root)][:KEPT]
    write_atomically(_proof_file(file, tuning), save({name: np.ascontiguousarray(array) for name, array in proofs.items()}))
    text = json.dumps({"tunings": [one.model_dump(mode="json") for one in kept]}, ensure_ascii=False)
    write_atomically(file, text.encode())
    named = {_proof_file(file, one) for one in kept}
    for old in file.parent.glob(f"{file.stem}-*.safetensors"):
        if old not in named:
            old.unlink(missing_ok=True)
    return file


def _proof_file(file: Path, tuning: Tuning) -> Path:
    return file.with_name(f"{file.stem}-{tuning.created:%Y%m%dT%H%M%S%f}.safetensors")


def _proofs(recipe: str, tuning: Tuning, root: Path | None) -> dict[str, Floats]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(_proof_file(_file(recipe, root), tuning))
    except (OSError, ValueError, SafetensorError):
        return {}


# ---- at the start --------------------


def decide(
    program: Program, *, machine: Machine | None = None, root: Path | None = None, test_s: float | None = TEST_S
) -> Decision:
    """Return the decision: the newest choice that is valid for this machine and passes its test, else the recipe's own engine.

    An engine that failed the self-test of this machine is replaced by one that passed.

    `test_s`: None to test only the answers and not the speed.
    """
    recipe = program.recipe
    tunings = _tunings(program, root)
    instead = _stand_in(program, machine, root)
    if not tunings:
        own = message("{variants}, as the recipe says; it was not tuned on this computer.", variants=program.variants)
        return instead or Decision(own)
    machine = machine or this_processor()
    problem: Message | None = None
    for tuning, plan in tunings:
        found = changed(tuning, program, machine) or self_test(program, tuning, _proofs(recipe.name, tuning, root), test_s)
        if found is None:
            runtimes = runtimes_of(plan)
            note = None if problem is None else _instead(problem, plan.words)
            return Decision(_because(tuning, recipe), runtimes, min(plan.batch, recipe.max_batch), note)
        problem = problem or found
    assert problem is not None
    if instead is not None:
        return instead
    return Decision(
        message("{variants}, as the recipe says, because no tuned choice holds.", variants=program.variants),
        note=_instead(problem, program.variants),
    )


def _stand_in(program: Program, machine: Machine | None, root: Path | None) -> Decision | None:
    """Return the engine that judges for one that failed its self-test on this computer; None if the recipe's own may judge."""
    own = {step.model.bundle: step.runtime for step in program.steps}
    named = [one.engine for one in own.values()]
    found = engines_test.stand_in(named, lambda: machine or this_processor(), root=root and root.parent)
    if found is None:
        return None
    failed, passed = found
    why = message("{engine}, because {failed} failed its self-test.", engine=passed.engine, failed=failed.engine)
    note = message(
        "{failed} failed its self-test on this computer, so {engine} judges instead. Install the program again.",
        failed=ENGINES[failed.engine].label,
        engine=ENGINES[passed.engine].label,
    )
    runtimes = {name: Runtime(passed.engine) if one.engine == failed.engine else one for name, one in own.items()}
    return Decision(why, runtimes, note=note)


def newest(program: Program, *, root: Path | None = None) -> dict[str, Runtime]:
    """Return the latest choice for this machine by bundle, untested; empty if there is none or it is no longer valid."""
    tunings, machine = _tunings(program, root), None
    for tuning, plan in tunings:
        machine = machine or this_processor()
        if changed(tuning, program, machine) is None:
            return runtimes_of(plan)
    return {}


def _tunings(program: Program, root: Path | None) -> list[tuple[Tuning, Plan]]:
    """Return the tunings that chose something for every bundle of the program.

    Those for exactly these bundles come first, each group newest first. Automatic recipes of different bundles share a name. A
    recipe reduced to one camera uses the tunings of the whole recipe.
    """
    names = bundles_of(program).keys()
    found = [
        (one, one.chosen)
        for one in load_tunings(program.recipe.name, root=root)
        if one.chosen is not None and names <= one.bundles.keys()
    ]
    return sorted(found, key=lambda one: one[0].bundles.keys() != names)


def _instead(problem: Message, variants: str) -> Message:
    return message("{problem} {variants} judges instead.", problem=problem, variants=variants)


def _because(tuning: Tuning, recipe: Recipe) -> Message:
    """Return `why` with its date; a recipe changed since then may need more work than was measured."""
    when, reason = tuning.created.astimezone().strftime("%Y-%m-%d"), why(tuning)
    if tuning.revision == recipe.revision:
        return message("{reason} (tuned on {when})", reason=reason, when=when)
    return message(
        "{reason} (tuned on {when} for revision {before} of the recipe, which is at {now} now)",
        reason=reason,
        when=when,
        before=tuning.revision,
        now=recipe.revision,
    )


def changed(tuning: Tuning, program: Program, machine: Machine) -> Message | None:
    """Return why a tuning is no longer valid: another machine, other versions, other bundles."""
    when = tuning.created.astimezone().strftime("%Y-%m-%d")
    differences = machine.differences(tuning.machine)
    if differences:
        return message(
            "The choice of {when} was made on another computer or with other versions ({differences}): tune again.",
            when=when,
            differences=", ".join(differences),
        )
    now = {name: bundle.fingerprint for name, bundle in bundles_of(program).items()}
    other = [name for name in now if tuning.bundles.get(name) != now[name]]
    if other:
        return message(
            "The choice of {when} was made for another version of {bundle}: tune again.", when=when, bundle=", ".join(other)
        )
    return None


def self_test(program: Program, tuning: Tuning, proofs: Mapping[str, Floats], seconds: float | None) -> Message | None:
    """Open each chosen variant briefly and return what is wrong; None if nothing is.

    The answers and, with `seconds`, the speed must be as they were when the variant was chosen.
    """
    plan = tuning.chosen
    if plan is None:
        return None
    bundles, runtimes = bundles_of(program), runtimes_of(plan)
    for name, bundle in bundles.items():
        runtime = runtimes.get(name)
        if runtime is None:
            return message("The tuned choice names no variant for the bundle {bundle}: tune again.", bundle=name)
        try:
            with runtime.open(bundle) as engine:
                share = None if seconds is None else seconds / len(bundles)
                problem = _test(engine, bundle, name, runtime, tuning, proofs.get(name), share)
        except InspectorError as error:
            return error.problem
        if problem is not None:
            return problem
    return None


def _test(
    engine: Engine,
    bundle: Bundle,
    name: str,
    runtime: Runtime,
    tuning: Tuning,
    expected: Floats | None,
    seconds: float | None,
) -> Message | None:
    values = {"bundle": name, "engine": runtime.engine, "precision": runtime.precision}
    reference = read_reference(bundle)
    if reference is not None and len(reference.judged) and expected is not None:
        rows = list(reference.judged)[: len(expected)]
        found = engine.infer(np.ascontiguousarray(reference.frames[rows]))
        if not agrees(found, expected):
            return message(
                "The tuned variant of {bundle} ({engine} {precision}) does not answer as it did when it was chosen.", **values
            )
        image: Prepared = np.ascontiguousarray(reference.frames[rows[:1]])
    else:
        spec = bundle.card.input
        image = np.zeros((1, *spec.shape), spec.dtype)
    if seconds is None:
        return None
    stored = _stored(tuning, tuning.chosen, name, runtime)
    now = _quickest(engine, image, seconds)
    if stored is not None and now > SLOW * stored + SLACK_MS:
        return message(
            "The tuned variant of {bundle} ({engine} {precision}) takes {now:.1f} ms an image, when it was chosen it took "
            "{before:.1f} ms.",
            **values,
            now=now,
            before=stored,
        )
    return None


def agrees(found: Floats, expected: Floats) -> bool:
    """Return whether raw answers are equal up to rounding."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return False
    span = float(np.ptp(expected)) or 1.0
    return bool(np.abs(found - expected).max() <= APART * span)


def _stored(tuning: Tuning, plan: Plan | None, bundle: str, runtime: Runtime) -> float | None:
    wanted = (bundle, runtime.engine, runtime.precision, runtime.threads, 1)
    rows: Sequence[float] = [
        row.p50_ms for row in tuning.rows if (row.bundle, row.engine, row.precision, row.threads, row.batch) == wanted
    ]
    return rows[0] if rows and plan is not None else None


def _quickest(engine: Engine, image: Prepared, seconds: float) -> float:
    """Return the milliseconds per image: the fastest of a few medians."""
    medians: list[float] = []
    for _ in range(GROUPS):
        times: list[float] = []
        end = time.monotonic() + seconds / GROUPS
        while len(times) < PROOF or (time.monotonic() < end and len(times) < 50):
            began = time.perf_counter()
            engine.infer(image)
            times.append(time.perf_counter() - began)
        medians.append(median(times))
    return min(medians) * 1000
