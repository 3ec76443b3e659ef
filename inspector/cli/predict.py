"""`inspector predict`: verdicts on images, folders of images and videos."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from inspector.cameras.base import reading_of
from inspector.cameras.sequence import open_sequence
from inspector.cli.support.lines import say
from inspector.cli.support.notes import say_masks_left_out
from inspector.cli.support.output import PrintingSink
from inspector.core.errors import ConfigError, StorageError
from inspector.core.registry import ENGINES, find
from inspector.core.types import PRECISIONS, Frame, Inspection, Precision, Unit
from inspector.imaging.image import AS_IT_SAYS, Reading
from inspector.inspection.run_request import camera_for, resolve_recipe
from inspector.recipes.automatic import only_camera
from inspector.results.saving import RunFolder
from inspector.station.counters import Counters
from inspector.station.part_inspector import PartInspector


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--model", "models", multiple=True, metavar="BUNDLE", help="Bundle to use; may be repeated.")
@click.option("--recipe", type=click.Path(path_type=Path), help="Recipe whose bundles, regions and rules are used.")
@click.option("--camera", help="Which camera of the recipe the files come from; chosen by their kind if left out.")
@click.option("--engine", help=f"One of {', '.join(ENGINES)}, instead of the recipe's.")
@click.option(
    "--precision", type=click.Choice(PRECISIONS), help="Instead of the recipe's; others than fp32 are exported first."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Save pictures, results.jsonl and a report here, in a new folder for each start.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, and nothing else on stdout.")
def predict(
    paths: tuple[Path, ...],
    models: tuple[str, ...],
    recipe: Path | None,
    camera: str | None,
    engine: str | None,
    precision: Precision | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Inspect images, folders of images and videos.

    Uses the variants tuned for this computer, as the line does, unless others are requested. A file that cannot be read is
    NOT_INSPECTED and the rest goes on; the exit code is then 2.
    """
    if recipe is not None and models:
        raise click.UsageError("Give either --recipe or --model.")
    if engine is not None:
        find(ENGINES, engine, "engine")
    started = time.monotonic()
    inspectors = _Inspectors(recipe, models, camera, engine, precision)
    output: _Output | None = None
    unread = False
    with inspectors:
        for path, item in _items(paths, inspectors.reading()):
            if isinstance(item, Frame):
                inspector = inspectors.for_unit(item.unit)
                inspection = inspector.inspect({next(iter(inspector.recipe.cameras)): item})
            else:
                inspector = inspectors.any()
                inspection = inspector.uninspected(item.problem, source=str(path), name=path.stem)
                unread = True
                say(f"inspector: {item}", err=True)
            output = output or _Output(as_json=as_json, folder=out)
            output.show(inspection)
            if output.closed:
                break
        if output is not None:
            output.finish(inspectors.any().recipe.name, seconds=time.monotonic() - started)
    if unread:
        return 2
    return 1 if output is not None and output.failed else 0


class _Output:
    """Saves, prints and counts inspections."""

    def __init__(self, *, as_json: bool, folder: Path | None) -> None:
        """Open the sinks. Raises StorageError if nothing can be saved in `folder`."""
        self.printer = PrintingSink(as_json=as_json, stages=False)
        self._folder = None if folder is None else RunFolder(folder)
        if self._folder is not None:
            say(f"Saving to {self._folder.folder}", err=True)
        self._counters = Counters()
        self._refused: set[str] = set()
        self.failed = False  # whether something could not be saved

    @property
    def closed(self) -> bool:
        """Whether stdout is closed and nothing is saved, so that further work is useless."""
        return self.printer.closed and self._folder is None

    def show(self, inspection: Inspection) -> None:
        """Save one part, then print its verdict."""
        self._counters.part(inspection)
        if self._folder is not None:
            began = time.monotonic()
            for save in (self._folder.record, self._folder.picture):
                try:
                    save(inspection)
                except StorageError as error:
                    self._complain(error)
            self._counters.spent("save", (time.monotonic() - began) * 1000)
        self.printer.take(inspection)

    def finish(self, recipe: str, *, seconds: float) -> None:
        """Print the summary of the parts shown in `seconds`, and write the report."""
        self._counters.end(seconds)
        stats = self._counters.stats({})
        if self._folder is not None:
            try:
                self._folder.finish_records(stats)
                say(f"Report: {self._folder.finish(stats, recipe)}", err=True)
            except StorageError as error:
                self._complain(error)
            if self._folder.losses is not None:
                say(f"inspector: {self._folder.losses}", err=True)
        self.printer.summarise(stats)
        self.failed = self.failed or self.printer.failed

    def _complain(self, error: StorageError) -> None:
        """Report each cause of a failed save once; the verdicts go on."""
        self.failed = True
        detail = str(error.problem.values.get("detail", error.problem.text))
        if detail not in self._refused:
            self._refused.add(detail)
            say(f"inspector: {error}", err=True)


def _items(paths: Sequence[Path], how: Reading) -> Iterator[tuple[Path, Frame | ConfigError]]:
    """Yield each frame of each path, or the reason for its absence, with its path."""
    for path in paths:
        try:
            sequence = open_sequence(path, how=how)
        except ConfigError as error:
            yield path, error
            continue
        if path.is_dir():
            say_masks_left_out(path)
        try:
            for name, item in sequence.each():
                yield path / name if path.is_dir() else path, item
        finally:
            sequence.close()


class _Inspectors:
    """One inspector for pictures and one for temperatures, each opened with the first frame of its kind."""

    def __init__(
        self,
        recipe: Path | None,
        models: Sequence[str],
        camera: str | None,
        engine: str | None,
        precision: Precision | None,
    ) -> None:
        self._recipe = recipe
        self._models = models
        self._camera = camera
        self._engine = engine
        self._precision = precision
        self._opened: dict[Unit, PartInspector] = {}
        self._stack = ExitStack()

    def reading(self) -> Reading:
        """Return how the recipe's camera (the named one, or the only one) reads its files. Raises ConfigError."""
        if self._recipe is None:
            return AS_IT_SAYS
        cameras = resolve_recipe(self._recipe, self._models).recipe.cameras
        name = self._camera or next(iter(cameras))
        if name not in cameras or (self._camera is None and len(cameras) > 1):
            return AS_IT_SAYS  # a missing camera is reported when it is chosen
        return reading_of(name, cameras[name].options)

    def for_unit(self, unit: Unit) -> PartInspector:
        """Return the inspector for frames of this unit. Raises ConfigError or EngineError."""
        if unit not in self._opened:
            files = "" if self._recipe is not None else "folder:."  # a recipe keeps its cameras until one is chosen
            choice = resolve_recipe(self._recipe, self._models, files, unit=unit)
            if choice.note is not None:
                say(f"inspector: {choice.note}", err=True)
            chosen = choice.recipe
            if self._recipe is not None:
                chosen = only_camera(chosen, self._camera or camera_for(chosen, choice.base, unit))
            inspector = PartInspector(chosen, choice.base, engine=self._engine, precision=self._precision)
            self._opened[unit] = self._stack.enter_context(inspector)
            program = inspector.program
            for told in (program.why if program.tuned else None, program.note):
                if told is not None:
                    say(f"inspector: {told}", err=True)
        return self._opened[unit]

    def any(self) -> PartInspector:
        """Return an open inspector, or else the one for pictures."""
        return next(iter(self._opened.values()), None) or self.for_unit("intensity")

    def __enter__(self) -> "_Inspectors":
        return self

    def __exit__(self, *_reason: object) -> None:
        self._stack.close()
