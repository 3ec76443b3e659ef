"""A recipe with its bundles opened and verified: all that an inspection needs except the engines."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from inspector import __version__
from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.registry import TASKS
from inspector.core.types import Frame, JudgedBy, Precision, Region
from inspector.engines.base import Engine, open_engine
from inspector.imaging.preprocessing import fits, whole, wrong_unit
from inspector.imaging.tiling import Tiling
from inspector.inspection.codes import load_readers
from inspector.inspection.quality import check_masked
from inspector.recipes.automatic import complete, thresholds
from inspector.recipes.history import History
from inspector.recipes.locate import find_bundle
from inspector.recipes.recipe import Gate, InspectModel, Recipe
from inspector.tasks.base import Task, task_of


@dataclass(frozen=True, slots=True)
class Runtime:
    """Engine, precision and threads that run a bundle."""

    engine: str
    precision: Precision = "fp32"
    threads: int = 0

    def open(self, bundle: Bundle) -> Engine:
        """Raises ConfigError or EngineError, also for a variant that did not pass the parity gate."""
        return open_engine(self.engine, bundle, precision=self.precision, threads=self.threads)


def runtime_of(
    bundle: Bundle, model: InspectModel, recipe: Recipe, *, engine: str | None = None, precision: Precision | None = None
) -> Runtime:
    """Return the runtime of the bundle of one [[inspect]]. The only place where this is decided.

    `engine`, `precision`: a person's choice in place of the recipe's. An engine without a precision runs in fp32, which every
    engine supports.
    """
    default = "fp32" if engine is not None else model.precision or recipe.precision
    return Runtime(engine or model.engine or recipe.engine, precision or default)


@dataclass(frozen=True, slots=True)
class Step:
    """One [[inspect]] of the recipe. `card` is the bundle's, with the recipe's thresholds."""

    model: InspectModel
    bundle: Bundle
    card: Card
    task: Task
    runtime: Runtime

    @property
    def region(self) -> Region | None:
        return None if self.model.region is None else self.model.region.region()

    @property
    def tiling(self) -> Tiling | None:
        """How the region is divided; None if it is inspected as a whole."""
        return self.model.tiles or self.card.tiles

    def unfit(self, frame: Frame, gate: Gate) -> Message | None:
        """Return why the step cannot inspect this frame, or None."""
        region, spec = self.region, self.card.input
        if region is not None and not region.fits(frame.width, frame.height):
            return message(
                "The frame of {camera} is {width} x {height} pixels, too small for the region {region} of {bundle}.",
                camera=frame.camera,
                width=frame.width,
                height=frame.height,
                region=f"{region.x},{region.y} {region.width} x {region.height}",
                bundle=self.model.bundle,
            )
        misfit = None if self.tiling is None else self.tiling.misfit(region or whole(frame.pixels))
        if misfit is not None:
            return misfit
        unlike = wrong_unit(spec, frame, self.model.bundle)
        return check_masked(frame, gate, region) if unlike is None and frame.unit == "kelvin" else unlike


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the station. `recipe` is complete: all values left to the bundles are filled in.

    `why`: why these engines and precisions judge. `note`: what a person must know about that choice. `tuned`: they were chosen
    for this machine. `history`: what the last good parts measured. `judged_by`: the identification in every record.
    """

    recipe: Recipe
    steps: tuple[Step, ...]
    why: Message | None = None
    note: Message | None = None
    tuned: bool = False
    history: History = field(default_factory=History, compare=False)
    judged_by: JudgedBy = field(init=False)

    def __post_init__(self) -> None:
        text = self.recipe.without_secrets().model_dump_json()
        digest = hashlib.sha256(text.encode()).hexdigest()
        bundles = MappingProxyType({step.model.bundle: step.bundle.fingerprint for step in self.steps})
        cards = MappingProxyType({step.model.bundle: step.bundle.card_digest for step in self.steps})
        documents = {digest: text, **{step.bundle.fingerprint: step.bundle.card.model_dump_json() for step in self.steps}}
        object.__setattr__(self, "judged_by", JudgedBy(digest, bundles, cards, __version__, MappingProxyType(documents)))

    @property
    def variants(self) -> str:
        """The engines and precisions that judge, each once, formatted for people."""
        return ", ".join(dict.fromkeys(f"{step.runtime.engine} {step.runtime.precision}" for step in self.steps))

    def levels(self, camera: str) -> tuple[float, float] | None:
        """Return the grey levels of black and white for a camera, as in the training of its bundles."""
        for step in self.steps:
            if step.model.camera == camera and fits(step.card.input, "intensity"):
                return step.card.input.levels
        return None

    def cameras(self) -> frozenset[str]:
        """Return the cameras that some step uses: those that a part needs."""
        return frozenset(step.model.camera for step in self.steps)


def load_program(
    recipe: Recipe, base: Path | None = None, *, engine: str | None = None, precision: Precision | None = None
) -> Program:
    """Find and verify the bundles of a recipe. `base`: the recipe's folder; `engine`, `precision`: see `runtime_of`.

    Raises ConfigError naming the bundle, file or rule that is wrong.
    """
    bundles: dict[str, Bundle] = {}
    for model in recipe.inspect:
        if model.bundle not in bundles:
            bundles[model.bundle] = Bundle.open(find_bundle(model.bundle, base))
    cards: Mapping[str, Card] = {name: bundle.card for name, bundle in bundles.items()}
    full = complete(recipe, cards)
    for model in full.inspect:
        card = cards[model.bundle]
        if (model.tiles or card.tiles) is not None and not task_of(card.task).tiled:
            raise ConfigError(
                "The bundle {bundle} answers for whole images ({task}), not for tiles.",
                remedy="Leave out the tiles in the recipe, or use a bundle that finds boxes or masks.",
                bundle=model.bundle,
                task=TASKS[card.task].label,
            )
    steps = tuple(
        Step(
            model=model,
            bundle=bundles[model.bundle],
            card=cards[model.bundle].model_copy(update={"thresholds": thresholds(model, cards[model.bundle])}),
            task=task_of(cards[model.bundle].task),
            runtime=runtime_of(bundles[model.bundle], model, full, engine=engine, precision=precision),
        )
        for model in full.inspect
    )
    if any(camera.code is not None for camera in full.cameras.values()):
        load_readers()
    return Program(full, steps)
