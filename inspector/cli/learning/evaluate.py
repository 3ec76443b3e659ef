"""`inspector evaluate`: quality of a bundle on labelled files, measured with the engine that will run it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from inspector.bench.line.variants import VariantRow, measure_variants
from inspector.bundles.bundle import Bundle
from inspector.cli.support.bench_output import rounded as shortened
from inspector.cli.support.lines import say, say_json
from inspector.cli.support.terminal import PlainConsole, progress_bar
from inspector.core.errors import ConfigError
from inspector.core.message import Message
from inspector.core.registry import ENGINES
from inspector.core.types import PRECISIONS, Precision
from inspector.data.annotations import LAYOUTS, read_dataset
from inspector.data.samples import Dataset, Sample
from inspector.data.split import SPLIT, read_split
from inspector.engines.base import open_engine
from inspector.ml.evaluate import measure, rounded, sample_items
from inspector.recipes.locate import find_bundle

DEFAULT = "openvino"


@click.command()
@click.option("--model", required=True, metavar="BUNDLE", help="Folder of the bundle, or the name of a shipped one.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder with labelled images.")
@click.option(
    "--split",
    type=click.Choice(["all", "test", "val"]),
    default="all",
    show_default=True,
    help="test: of the data it was trained on, only the images it has never seen.",
)
@click.option("--engine", type=click.Choice(list(ENGINES)), show_default="openvino", help="What runs the bundle.")
@click.option(
    "--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True, help="Others than fp32 are exported first."
)
@click.option(
    "--variants",
    is_flag=True,
    help="Every variant that is there (with --engine: for that), side by side: size, metric, other verdicts, time.",
)
@click.option("--layout", type=click.Choice(list(LAYOUTS)), help="How the labels are stored.  [default: what is recognised]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the metrics, and nothing else on stdout.")
def evaluate(
    model: str,
    data: Path,
    split: str,
    engine: str | None,
    precision: Precision,
    variants: bool,
    layout: str | None,
    as_json: bool,
) -> int:
    """Compare a bundle's predictions with the labels.

    Whole frames are inspected. The tuning for this computer is ignored: the figures are those of the named variant. Exit code
    1: some files could not be read; the metrics cover the others.
    """
    bundle = Bundle.open(find_bundle(model))
    card = bundle.card
    dataset = read_dataset(
        data,
        card.task,
        classes=card.classes,
        one_class=str(card.training.get("one_class", "")),
        layout=layout or "",
        backgrounds=bool(card.training.get("backgrounds", False)),
    )
    problems = list(dataset.problems)
    chosen = _choose(bundle, dataset, split)
    broken: list[Message] = []
    if variants:
        with progress_bar() as bar:
            task = bar.add_task("Evaluating", total=len(chosen))
            rows = measure_variants(bundle, chosen, engine=engine, problems=broken, tick=lambda: bar.advance(task))
        for problem in problems + broken:
            say(f"inspector: {problem}", err=True)
        _show_variants(rows, bundle.name, as_json=as_json)
        return 1 if broken else 0
    with (
        open_engine(engine or DEFAULT, bundle, precision=precision) as opened,
        progress_bar() as bar,
    ):
        task = bar.add_task("Evaluating", total=len(chosen))
        items = sample_items(chosen, card, problems=broken, tick=lambda: bar.advance(task))
        metrics = measure(opened.infer, card, items)
    for problem in problems + broken:
        say(f"inspector: {problem}", err=True)
    if len(broken) == len(chosen):
        raise ConfigError("None of the {count} images in {folder} can be read.", count=len(chosen), folder=data)
    _show(rounded(metrics.compute()), len(chosen) - len(broken), bundle.name, as_json=as_json)
    return 1 if broken else 0


def _choose(bundle: Bundle, dataset: Dataset, split: str) -> Sequence[Sample]:
    """Return the samples to evaluate; report on stderr what weakens the figures. Raises ConfigError."""
    known = bundle.card.dataset
    same = known.get("fingerprint") == dataset.fingerprint()
    if split == "all":
        if same:
            say(f"inspector: {bundle.name} was trained on these images; --split test uses only the unseen ones.", err=True)
        return dataset.samples
    names = set(read_split(bundle.folder)[split])
    found = [sample for sample in dataset.samples if sample.name in names]
    if not found:
        raise ConfigError(
            "{folder} holds none of the {count} images that {bundle} was not trained on.",
            remedy="Give the folder it was trained on, or use --split all.",
            folder=dataset.folder,
            count=len(names),
            bundle=bundle.name,
        )
    if not same or len(found) < len(names):
        say(
            f"inspector: the data has changed since {bundle.name} was trained; {len(found)} of {len(names)} images of "
            f"{SPLIT} are there.",
            err=True,
        )
    return found


def _show_variants(rows: Sequence[VariantRow], name: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"variants": [shortened(asdict(row), 6) for row in rows]})
        return
    table = Table("engine", "precision", title=f"{name} on {max(row.images for row in rows)} images")
    for title in ("MB", rows[0].metric, "other verdicts", "mean difference", "ms"):
        table.add_column(title, justify="right")
    for row in rows:
        numbers = [f"{row.value:.4f}", f"{row.flips}", f"{row.mean_difference:.4f}", f"{row.ms:.2f}"]
        table.add_row(row.engine, row.precision, f"{row.megabytes:.2f}", *([] if row.problem else numbers))
    PlainConsole().print(table)
    for row in rows:  # a sentence has no room in a column of numbers
        if row.problem:
            say(f"{row.engine} {row.precision}: {row.problem}")


def _show(metrics: Mapping[str, float], count: int, name: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"metrics": metrics, "images": count})
        return
    shown = {key: value for key, value in metrics.items() if not key.startswith("minus")}
    classes = sorted({key.partition("/")[2] for key in shown if "/" in key})
    kinds = list(dict.fromkeys(key.partition("/")[0] for key in shown))
    table = Table("", "all", *classes, title=f"{name} on {count} images")
    for kind in kinds:
        cells = [shown.get(kind), *(shown.get(f"{kind}/{name}") for name in classes)]
        table.add_row(kind, *("" if value is None else f"{value:.4g}" for value in cells))
    PlainConsole().print(table)
