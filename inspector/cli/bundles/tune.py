"""`inspector tune`: the cheapest engine, precision and threads that keep the takt on this machine."""

import re
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from inspector.cli.support.lines import say, say_json
from inspector.cli.support.terminal import PlainConsole
from inspector.cli.support.tune_image import draw
from inspector.cli.support.worker_progress import run_worker
from inspector.core.config import write_atomically
from inspector.core.registry import ENGINES
from inspector.core.sentence import Sentence
from inspector.core.types import PRECISIONS
from inspector.inspection.run_request import resolve_recipe
from inspector.tuning.plan import Plan, Tuned, Tuning, exported, pareto, ranked, refused, unavailable, why
from inspector.workers.jobs import TuneJob

PHASES = {
    "export": "Exporting",
    "variants": "Measuring",
    "parts": "Whole parts",
    "confirm": "Confirming",
    "suggest": "What would be needed",
}


class Milliseconds(click.ParamType[float]):
    """Option type for a time such as 120ms, 0.12s or 120."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s)?", str(value).strip())
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is not a time like 120ms or 0.5s", param, ctx)
        return float(match[1]) * (1000 if match[2] == "s" else 1)


@click.command()
@click.option("--recipe", type=click.Path(path_type=Path), help="Recipe to tune; default: the demo line's.")
@click.option("--takt", type=Milliseconds(), help="What the line gives each part, for example 120ms; default: the recipe's.")
@click.option("--engine", "engines", type=click.Choice(list(ENGINES)), multiple=True, help="Only this one; may be repeated.")
@click.option("--precision", "precisions", type=click.Choice(PRECISIONS), multiple=True, help="Only this; may be repeated.")
@click.option("--threads", type=click.IntRange(1), multiple=True, help="Only so many; may be repeated.")
@click.option("--batch", "batches", type=click.IntRange(1, 64), multiple=True, help="Beside 1; default: the recipe's largest.")
@click.option(
    "--export/--no-export", default=True, show_default=True, help="Export first what is missing, or measure only what is there."
)
@click.option(
    "--budget", type=click.FloatRange(5), default=180.0, show_default=True, help="Seconds the measuring may take, about."
)
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Latency against accuracy, as an SVG file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else on stdout.")
def tune(
    *,
    recipe: Path | None,
    takt: float | None,
    export: bool,
    budget: float,
    picture: Path | None,
    as_json: bool,
    **grid: Any,  # noqa: ANN401 - the options above
) -> int:
    """Measure every variant of a recipe's bundles on this machine and keep the cheapest that keeps the takt.

    Missing variants are exported first, as by `inspector export`, which takes minutes the first time. A variant is measured
    only if it agrees with the trained network on the bundle's reference images. Stop the line first: other work makes every
    time longer. The station uses the choice from its next start on, after a test of two seconds. Exit code 1: nothing keeps the
    takt.
    """
    choice = resolve_recipe(recipe)
    job = TuneJob(
        recipe=choice.recipe.model_dump(mode="json", exclude_none=True),
        base=choice.base,
        takt_ms=takt,
        budget_s=budget,
        export=export,
        **grid,
    )
    tuning = run_worker(job, PHASES, Tuned).tuning
    if picture is not None:
        write_atomically(picture, draw(tuning).encode())
    if as_json:
        say_json({**tuning.model_dump(mode="json"), "why": why(tuning).text})
    else:
        _show(tuning)
    return 0 if tuning.state == "kept" else 1


def _show(tuning: Tuning) -> None:
    console = PlainConsole(width=120)
    console.print(_rows(tuning))
    for one in refused(tuning):
        if one.reason is not None:
            say(f"{_name(one.bundle)} {one.engine} {one.precision}: {_text(one.reason)}")
    console.print(_plans(tuning))
    if tuning.made:
        say(f"Exported now (for so many bundles): {exported(tuning)}.")
    if unavailable(tuning):
        say(f"Not exported, or not on this machine: {', '.join(unavailable(tuning))}.")
    for note in (*tuning.left_out, *tuning.needs):
        say(_text(note))
    say(why(tuning).text)


def _rows(tuning: Tuning) -> Table:
    table = Table("bundle", "engine", "precision", title="One image, ms")
    for name in ("threads", "batch", "p50", "p99", "processor", "accuracy", "before"):
        table.add_column(name, justify="right")
    for row in tuning.rows:
        found = next(one for one in tuning.judged if (one.bundle, one.engine, one.precision) == (row.bundle, *row.variant))
        accuracy = ["" if value is None else f"{value:.4g}" for value in (found.accuracy, found.before)]
        numbers = [f"{value:.2f}" for value in (row.p50_ms, row.p99_ms, row.cpu_ms)]
        table.add_row(_name(row.bundle), row.engine, row.precision, str(row.threads), str(row.batch), *numbers, *accuracy)
    return table


def _plans(tuning: Tuning) -> Table:
    table = Table("variants", title=f"One part, ms; the takt is {tuning.takt_ms:g}, the limit {tuning.limit_ms:.4g}")
    for name in ("threads", "batch", "p50", "p99", "processor", "accuracy", ""):
        table.add_column(name, justify="right")
    front = pareto(tuning.plans)
    for plan in ranked(tuning.plans, tuning.limit_ms):
        numbers = [f"{value:.1f}" for value in (plan.p50_ms, plan.p99_ms, plan.cpu_ms)]
        table.add_row(
            plan.words, str(plan.threads), str(plan.batch), *numbers, f"{plan.accuracy:.2%}", _marks(plan, tuning, front)
        )
    return table


def _marks(plan: Plan, tuning: Tuning, front: list[Plan]) -> str:
    marks = ["chosen"] if plan == tuning.chosen else []
    marks += ["measured whole"] if plan.measured else []
    return ", ".join([*marks, *(["front"] if plan in front else [])])


def _text(note: Sentence) -> str:
    return note.text


def _name(bundle: str) -> str:
    return Path(bundle).name or bundle
