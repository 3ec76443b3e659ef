"""The variants of a bundle as shown to a person: which exist, whether they may be used, and which one is in use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.bundles.bundle import GRAPH, Bundle
from inspector.bundles.status import Standing, standings, strangers
from inspector.bundles.variants import Variant
from inspector.core.errors import InspectorError
from inspector.inspection.program import Runtime, load_program
from inspector.recipes.locate import bundle_roots, find_bundle, find_bundles
from inspector.recipes.recipe import Recipe
from inspector.tuning.store import newest


@dataclass(frozen=True, slots=True)
class Listed:
    """One variant.

    `variant`: its stored data, None for the bundle's own graph and for a variant that is not understood. `active`: in use now.
    """

    engine: str
    precision: str
    standing: Standing
    variant: Variant | None
    megabytes: float
    active: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A bundle and its variants, in the order of the registry, then unknown ones; variants never made are left out."""

    bundle: Bundle
    variants: tuple[Listed, ...]

    def find(self, engine: str, precision: str) -> Listed | None:
        """Return the variant of this kind."""
        return next((one for one in self.variants if (one.engine, one.precision) == (engine, precision)), None)


def list_variants(folder: Path, active: Mapping[Path, Runtime]) -> Listing:
    """Open the bundle and check each of its variants. `active`: as returned by `judging`. Raises ConfigError."""
    bundle = Bundle.open(folder)
    judges = active.get(folder.resolve())
    found: list[Listed] = []
    for (engine, precision), known in (standings(bundle) | strangers(bundle)).items():
        used = judges is not None and (judges.engine, judges.precision) == (engine, precision)
        variant = bundle.variant(engine, precision)
        found.append(Listed(engine, precision, known, variant, megabytes(bundle, engine, precision), used))
    return Listing(bundle, tuple(found))


def megabytes(bundle: Bundle, engine: str, precision: str) -> float:
    """Return the size of the graph on disk: the variant's own files, or the bundle's graph if it has none."""
    variant = bundle.variant(engine, precision) or bundle.later_variant(engine, precision)
    names = () if variant is None else variant.files
    files = [bundle.variant_path(name) for name in names] or [bundle.folder / GRAPH]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def judging(recipe: Recipe, base: Path | None) -> dict[Path, Runtime]:
    """Return the variant in use for each bundle of the recipe, by bundle folder.

    This assumes that the tuned choice passes its test at the next start. Empty if the recipe cannot run.
    """
    try:
        program = load_program(recipe, base)
    except InspectorError:
        return {}
    tuned = newest(program)
    return {step.bundle.folder.resolve(): tuned.get(step.model.bundle, step.runtime) for step in program.steps}


def known_bundles(recipe: Recipe | None, base: Path | None) -> list[Path]:
    """Return the folders of all known bundles: those of the recipe first, then the shipped and the user's bundles."""
    found: list[Path] = []
    for step in () if recipe is None else recipe.inspect:
        try:
            found.append(find_bundle(step.bundle, base).resolve())
        except InspectorError:
            continue
    found += [folder.resolve() for root in bundle_roots() for folder in find_bundles(root)]
    return list(dict.fromkeys(found))


def names_of(folders: Sequence[Path]) -> list[str]:
    """Return a short name for each folder, with the parent's name if two are equal."""
    names = [folder.name for folder in folders]
    return [folder.name if names.count(folder.name) == 1 else f"{folder.parent.name}/{folder.name}" for folder in folders]
