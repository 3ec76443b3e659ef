"""`inspector bundle import`: a foreign network as a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from inspector.adapters.base import Numbers, Wishes, read_classes
from inspector.adapters.importing import Compared, NotAlike, import_bundle, recognised
from inspector.cli.bundles.export import rows as parity_rows
from inspector.cli.support.lines import say, say_json
from inspector.cli.support.terminal import PlainConsole, progress_bar
from inspector.core.errors import ConfigError
from inspector.core.storage.paths import user_data
from inspector.runs.settings import parse_size

if TYPE_CHECKING:
    from inspector.imaging.preprocessing import Fit

_SHOWN = 20  # pictures


class NumbersType(click.ParamType[Numbers]):
    """Option type for one number, or one for each channel."""

    name = "r,g,b"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Numbers:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(number) for number in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a number for each channel", param, ctx)


@click.command("import")
@click.argument("graph", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--images", type=click.Path(path_type=Path, file_okay=False), help="Folder with pictures of good and bad parts.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of the bundle.  [default: the user's]")
@click.option("--name", default="", help="Name of the bundle.  [default: that of the file]")
@click.option("--classes", type=click.Path(path_type=Path, dir_okay=False), help="File with the classes, one a line or JSON.")
@click.option("--ok", "ok_classes", multiple=True, metavar="CLASS", help="A class of good parts; may be repeated.")
@click.option("--task", type=click.Choice(["classification", "detection", "segmentation"]), help="If the graph can do several.")
@click.option("--size", metavar="WxH", help="Of the pictures it takes, if the graph leaves it open.")
@click.option("--fit", type=click.Choice(["stretch", "letterbox", "crop"]), help="How pictures are fitted into the input.")
@click.option("--mean", type=NumbersType(), default=(), help="Normalisation of pixels as 0..1, if nothing else says it.")
@click.option("--std", type=NumbersType(), default=(), help="Normalisation of pixels as 0..1, if nothing else says it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else on stdout.")
def import_(
    graph: Path,
    images: Path | None,
    out: Path | None,
    name: str,
    classes: Path | None,
    ok_classes: tuple[str, ...],
    task: str | None,
    size: str | None,
    fit: "Fit | None",
    mean: Numbers,
    std: Numbers,
    as_json: bool,
) -> int:
    """Make a bundle of the ONNX file GRAPH: Ultralytics YOLO, RF-DETR, D-FINE, anomalib, a classifier or a segmentation.

    On the pictures in --images the bundle is compared with what the network's own runtime says of them. Exit code 1: they do
    not agree, and there is no bundle.
    """
    sides = None if size is None else parse_size(size)
    wishes = Wishes(task, () if classes is None else read_classes(classes), sides, fit, mean, std)
    if images is None:
        adapter = recognised(graph, wishes)
        spec = adapter.plan.input
        raise ConfigError(
            "{file} is {family} for {task}, {width} x {height} pixels, {count} classes ({classes}); pictures "
            "are missing on which it can be compared with its own runtime.",
            remedy="Give a folder with pictures of good and bad parts: --images FOLDER.",
            file=graph,
            family=adapter.family,
            task=adapter.plan.task,
            width=spec.width,
            height=spec.height,
            count=len(adapter.plan.classes),
            classes=", ".join(adapter.plan.classes[:5]),
        )
    target = out or user_data() / "bundles" / (name or graph.stem)
    with progress_bar() as bar:
        running = bar.add_task("Comparing", total=None)
        try:
            made = import_bundle(
                graph,
                target,
                images,
                wishes=wishes,
                name=name,
                ok_classes=ok_classes,
                tick=lambda done, total: bar.update(running, completed=done, total=total),
            )
        except NotAlike as error:
            bar.stop()
            _show(error.compared, as_json=as_json, bundle=None)
            raise
    for problem in made.compared.problems:
        say(f"inspector: {problem}", err=True)
    _show(made.compared, as_json=as_json, bundle=made.bundle.folder)
    return 0


def _show(compared: Compared, *, as_json: bool, bundle: Path | None) -> None:
    if as_json:
        say_json(
            {
                "bundle": None if bundle is None else str(bundle),
                "pictures": [
                    {"file": row.name, "engine": row.engine, "there": row.there, "here": row.here, "difference": row.difference}
                    for row in compared.rows
                ],
                "parity": {name: parity.model_dump(mode="json") for name, parity in compared.parities.items()},
            }
        )
        return
    table = Table("picture", "its own runtime", "this bundle", "difference")
    worst = {row.name: row for row in sorted(compared.rows, key=lambda row: row.difference)}
    for row in sorted(worst.values(), key=lambda row: -row.difference)[:_SHOWN]:
        table.add_row(Path(row.name).name, row.there, row.here, f"{row.difference:.4f}")
    console = PlainConsole()
    console.print(table)
    if len(worst) > _SHOWN:
        say(f"and {len(worst) - _SHOWN} more pictures with smaller differences")
    for engine, parity in compared.parities.items():
        for label, value, limit in parity_rows(parity)[:4]:
            say(f"{engine}: {label} {value}" + (f" (at most {limit})" if limit else ""))
    if bundle is not None:
        say(f"the bundle is in {bundle}")
