"""`inspector export`: a variant of a bundle for an engine and precision, checked against the trained network."""

from pathlib import Path
from typing import get_args

import click
from rich.table import Table

from inspector.bundles.bundle import Bundle
from inspector.bundles.variants import Parity, Variant, VariantMade
from inspector.cli.support.lines import say, say_json
from inspector.cli.support.terminal import PlainConsole
from inspector.cli.support.worker_progress import run_worker
from inspector.core.registry import ENGINES
from inspector.core.types import Precision
from inspector.recipes.locate import find_bundle
from inspector.workers.jobs import VariantJob

_PHASES = {
    "reference": "The trained network judges the reference images",
    "calibrate": "Quantising",
    "judge": "The variant judges the reference images",
}


@click.command()
@click.option("--model", required=True, metavar="BUNDLE", help="Folder of the bundle, or the name of a shipped one.")
@click.option("--engine", type=click.Choice(list(ENGINES)), default="openvino", show_default=True, help="What will run it.")
@click.option(
    "--precision", type=click.Choice(get_args(Precision)), default="fp32", show_default=True, help="Of its arithmetic."
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 1),
    default=None,
    help="Largest accepted drop of the metric on the reference images; temperatures: of their spread.  [default: 0.01]",
)
@click.option(
    "--calibration", type=click.Path(path_type=Path, file_okay=False), help="int8: folder with more images to calibrate with."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write a copy of the bundle instead of adding to it."
)
@click.option("--check", is_flag=True, help="Make nothing; let what is there judge the reference images again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else on stdout.")
def export(
    *,
    model: str,
    engine: str,
    precision: Precision,
    max_drop: float | None,
    calibration: Path | None,
    out: Path | None,
    check: bool,
    as_json: bool,
) -> int:
    """Make the variant of a bundle for an engine and precision.

    The variant must agree with the trained network on the bundle's reference images before it can be used; the agreement is
    recorded in the bundle's card. Exit code 1: the variant is refused, or this machine cannot run it.
    """
    job = VariantJob(
        bundle=Bundle.open(find_bundle(model)).folder.resolve(),
        engine=engine,
        precision=precision,
        max_drop=max_drop,
        calibration=calibration and calibration.resolve(),
        out=out and out.resolve(),
        check=check,
    )
    made = run_worker(job, _PHASES, VariantMade)
    if as_json:
        say_json(made.model_dump(mode="json"))
    else:
        _show(made.variant, Bundle.open(made.bundle))
    return 0


def _show(variant: Variant, bundle: Bundle) -> None:
    parity = variant.parity
    assert parity is not None
    table = Table("", "value", "limit", title=f"{bundle.name} on {variant.engine} in {variant.precision}")
    for row in rows(parity):
        table.add_row(*row)
    PlainConsole().print(table)
    if variant.files:
        files = [bundle.variant_path(name) for name in variant.files]
        say(f"{', '.join(str(file) for file in files)}: {sum(file.stat().st_size for file in files) / 1e6:.1f} MB")
    if variant.full_precision:
        say(f"in floating point stayed: {', '.join(variant.full_precision)}")


def rows(parity: Parity) -> list[tuple[str, str, str]]:
    """Return the comparison for display, as rows of name, value and limit."""
    unit = "K" if parity.unit == "kelvin" else ""
    return [
        ("images", str(parity.images), ""),
        ("other verdicts", str(parity.flips), str(parity.max_flips)),
        (f"{parity.unit} difference, mean", f"{parity.mean_difference:.4g} {unit}".strip(), f"{parity.max_mean:.3g}"),
        (f"{parity.unit} difference, largest", f"{parity.max_difference:.4g} {unit}".strip(), ""),
        (f"{parity.metric} of the trained network", f"{parity.before:.4g}", ""),
        (f"{parity.metric} of the variant", f"{parity.after:.4g}", f"{parity.before - parity.max_drop:.4g}"),
    ]
