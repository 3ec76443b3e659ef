"""`inspector explain`: a heat map of where a bundle looks in an image."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never, cast, get_args

import click
import cv2
import numpy as np
from click.core import ParameterSource
from numpy.typing import NDArray

from inspector.bundles.bundle import Bundle, Card
from inspector.cli.main import stop_with
from inspector.cli.support.lines import say, say_json
from inspector.cli.support.tools import Numbers
from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError
from inspector.core.types import Boxes, Floats, Frame, Masks, Prediction, Region, Scores, Temperatures
from inspector.engines.base import Engine, open_engine
from inspector.engines.explainer import Explainer, HeatMap, check_inside
from inspector.imaging.colormaps import PALETTES, Palette
from inspector.imaging.files import read_image
from inspector.imaging.preprocessing import prepare, view, whole
from inspector.imaging.visible import Picture
from inspector.ml.reports.trust import Box, Faith, faithful
from inspector.results.overlays import heat_picture
from inspector.tasks.base import Task, card_threshold, task_of
from inspector.tasks.masks import class_map
from inspector.workers.messages import BLACK_BOX, ExplainMethod
from inspector.workers.priority import LOWEST_PRIORITY, be_nice

_OUTPUTS = ("maximum", "mean", "minimum")
_OF_ONE_IMAGE = ("layer", "target", "region", "palette", "opacity")
_OF_A_REPORT = ("most", "background")
_REGION = Numbers("x,y,width,height", 4, Region)


@dataclass(frozen=True, slots=True)
class Target:
    """What of an answer is to be explained; all None: what the network names."""

    class_name: str | None = None
    box: int | None = None
    output: int | None = None
    mask: bool = False


class _Target(click.ParamType[Target]):
    name = "target"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        """Parse a target."""
        if isinstance(value, Target):
            return value
        kind, _, what = str(value).partition(":")
        if kind == "class" and what:
            return Target(class_name=what)
        if kind == "box" and what.isascii() and what.isdigit() and int(what[:9]) > 0:
            return Target(box=int(what[:9]))
        if kind == "output" and what in ("0", "1", "2"):
            return Target(output=int(what))
        if value == "mask":
            return Target(mask=True)
        raise click.BadParameter(f"{value!r} is not class:NAME, box:N, mask or output:0, 1 or 2.", ctx, param)


@click.command()
@click.argument("image", type=click.Path(path_type=Path), metavar="IMAGE|FOLDER")
@click.option(
    "--model",
    "models",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of the bundle; a report may have several.",
)
@click.option("--out", type=click.Path(path_type=Path), help="PNG file to write, of one image.")
@click.option("--report", "report_to", type=click.Path(path_type=Path), help="Folder to write a report on labelled images to.")
@click.option(
    "--most", type=click.IntRange(2), default=60, show_default=True, help="Images of the folder that a report looks at."
)
@click.option("--background", is_flag=True, help="Make the report at the lowest priority, beside a running line.")
@click.option("--layer", help="Layer of the network; its default if left out.")
@click.option(
    "--target",
    type=_Target(),
    help="class:NAME, mask, box:N as predict numbers boxes from 1, or output:0, 1, 2 for the maximum, mean, minimum "
    "temperature.  [default: what the network names]",
)
@click.option("--region", type=_REGION, help="Part of the image to look at; all of it if left out.")
@click.option(
    "--method",
    type=click.Choice(get_args(ExplainMethod)),
    help="eigencam asks for no class; occlusion and rise for no layer.  [default: layercam for detection, else gradcam]",
)
@click.option("--part", type=_REGION, help="Where the part is: says how much of the heat lies there.")
@click.option(
    "--palette", type=click.Choice(list(PALETTES)), default="rainbow", show_default=True, help="Colours of the heat maps."
)
@click.option("--opacity", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Of the heat over the image.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def explain(
    context: click.Context,
    image: Path,
    models: tuple[Path, ...],
    out: Path | None,
    report_to: Path | None,
    most: int,
    background: bool,
    layer: str | None,
    target: Target | None,
    region: Region | None,
    method: ExplainMethod | None,
    part: Region | None,
    palette: str,
    opacity: float,
    as_json: bool,
) -> int:
    """Show where in IMAGE a bundle looks when it decides: a heat map laid over the image.

    With --report: how far each bundle looks at the part and its defects in the labelled images of FOLDER, side by side with
    earlier reports in the same place, what to do about it, and the command that does it. Exit code 1: some could not be read.
    """
    if (out is None) == (report_to is None) or image.is_dir() != (report_to is not None):
        raise click.UsageError("Give an image and --out, or a folder and --report.")
    _check_heeded(context, report=report_to is not None, method=method)
    opened = [Bundle.open(model) for model in models]
    if report_to is not None:
        from inspector.cli.support.trust import report

        if background:
            be_nice(LOWEST_PRIORITY)
        return report(image, opened, report_to, method=method, part=part, most=most, background=background, as_json=as_json)
    if len(opened) > 1:
        raise click.UsageError("One image is explained for one --model.")
    asked = _Asked(layer, target or Target(), region, method, part)
    return _explain_one(image, opened[0], cast(Path, out), asked, palette, opacity, as_json=as_json)


def _check_heeded(context: click.Context, *, report: bool, method: ExplainMethod | None) -> None:
    """Raise UsageError for an option that was given but would change nothing beside the others."""
    unheeded = [name for name in (_OF_ONE_IMAGE if report else _OF_A_REPORT) if _is_given(context, name)]
    if unheeded:
        names = " and ".join(f"--{name}" for name in unheeded)
        raise click.UsageError(f"{names}: of {'one image, not of a report' if report else 'a report, not of one image'}.")
    if method in BLACK_BOX and context.params["layer"] not in (None, method):
        raise click.UsageError(f"--method {method} covers pieces of the image and looks into no layer: leave out --layer.")
    if method == "eigencam" and _is_given(context, "target"):
        raise click.UsageError("--method eigencam shows what stands out, whatever is named: leave out --target.")


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not ParameterSource.DEFAULT


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be explained of one image."""

    layer: str | None
    target: Target
    region: Region | None
    method: ExplainMethod | None
    part: Region | None


def _explain_one(image: Path, bundle: Bundle, out: Path, asked: _Asked, palette: str, opacity: float, *, as_json: bool) -> int:
    if out.suffix.lower() != ".png":
        stop_with(f"{out} is not the name of a PNG file. Give one that ends in .png.", 2)
    target, region, method, part = asked.target, asked.region, asked.method, asked.part
    _check_target(target, bundle.card)
    index = _class_index(bundle.card, target.class_name)
    read = read_image(image)
    for note in read.notes:
        click.echo(f"inspector: {image}: {note}", err=True)
    now = datetime.now(UTC)
    frame = Frame(read.pixels, "file", 0, time.monotonic(), now, read.unit, source=str(image), bits=read.bits)
    if part is not None:
        check_inside(part, frame)
    explainer = Explainer(bundle)
    try:
        with open_engine("onnxruntime", bundle) as engine:
            prediction = _predict(engine, bundle, frame, region or whole(frame.pixels))
            box = None if target.box is None else _box(prediction, bundle.card, target.box)
            if box is not None:
                index = box[1]
            heat = explainer.explain(
                frame,
                region=region,
                layer=asked.layer,
                class_index=index,
                box=None if box is None else box[0],
                output=target.output,
                method=method,
            )
            faith = _faith(engine, bundle.card, frame, heat, None if box is None else box[0])
    finally:
        explainer.close()
    shown = heat_picture(frame.pixels, heat, PALETTES[cast("Palette", palette)], opacity)
    _draw(shown, prediction, bundle.card, heat.class_name)
    ok, data = cv2.imencode(".png", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
    if not ok:
        stop_with(f"{out} cannot be encoded.")
    write_atomically(out, data.tobytes())
    at_part = None if part is None else share_in(heat, part)
    output = None if target.output is None else _OUTPUTS[target.output]
    what = explained(heat, bundle.card, output=output, boxed=box is not None, method=method)
    _tell(heat, bundle.card, what, inside_share(heat, prediction, bundle.card), at_part, faith, out, as_json)
    return 0


def _faith(engine: Engine, card: Card, frame: Frame, heat: HeatMap, box: Box | None) -> Faith | None:
    """Return how far a heat map names what the score depends on; None for temperatures, and where there is no heat."""
    if not card.classes:
        return None
    pixels = prepare(frame.pixels, card.input, heat.region, bits=frame.bits)
    geometry = view(heat.region, card.input)
    at = None if box is None else cast(Box, tuple(geometry.to_input(np.asarray([box], np.float32))[0].tolist()))
    return faithful(engine.infer, card, pixels, heat.on_input(card.input), card.classes.index(heat.class_name), box=at)


def explained(heat: HeatMap, card: Card, *, output: str | None, boxed: bool, method: ExplainMethod | None) -> str:
    """Return what a heat map explains, in words."""
    if method == "eigencam":
        return "what stands out, whatever its class"
    if output is not None:
        return f"{output} temperature ({heat.target:.1f} K)"
    if boxed:
        return f"a box of class {heat.class_name} (score {heat.target:.2f})"
    task = task_of(card.task)
    # An imported graph shows the score behind its softmax only.
    text = Task.explained if card.family and task.answer is Scores else task.explained
    return text.format(name=heat.class_name, target=heat.target)


def inside_share(heat: HeatMap, prediction: Prediction, card: Card) -> float | None:
    """Return the share (0..1) of the heat inside the prediction: boxes or mask of the explained class.

    None if there is no such prediction, or no heat.
    """
    region, values = heat.region, heat.in_region()
    total = float(values.sum(dtype=np.float64))
    inside = np.zeros(values.shape, bool)
    answer = prediction.answer
    match answer:
        case Boxes():
            for left, top, right, bottom in _shown_boxes(answer, card, heat.class_name).xyxy:
                rows = slice(max(0, round(float(top)) - region.y), round(float(bottom)) - region.y)
                inside[rows, max(0, round(float(left)) - region.x) : round(float(right)) - region.x] = True
        case Masks():
            inside = class_map(prediction, card_threshold(card)) == card.classes.index(heat.class_name) + 1
        case Scores() | Temperatures():
            return None
        case _:
            assert_never(answer)
    if total <= 0 or not inside.any():
        return None
    return float(values[inside].sum(dtype=np.float64)) / total


def share_in(heat: HeatMap, part: Region) -> float | None:
    """Return the share (0..1) of the heat inside a region of the frame; None if there is no heat."""
    region, values = heat.region, heat.in_region()
    total = float(values.sum(dtype=np.float64))
    rows = slice(max(0, part.y - region.y), max(0, part.bottom - region.y))
    columns = slice(max(0, part.x - region.x), max(0, part.right - region.x))
    return float(values[rows, columns].sum(dtype=np.float64)) / total if total > 0 else None


def _box(prediction: Prediction, card: Card, number: int) -> tuple[Box, int]:
    """Return the corners in frame pixels and the class of a box, counted from the best one. Raises ConfigError."""
    answer = prediction.answer
    kept = answer.at_least(card_threshold(card)) if isinstance(answer, Boxes) else None
    if kept is None or number > len(kept):
        raise ConfigError(
            "There is no box {number}; {count} were found.", number=number, count=0 if kept is None else len(kept)
        )
    at = int(np.argsort(-kept.scores, kind="stable")[number - 1])
    left, top, right, bottom = kept.xyxy[at].tolist()
    return (left, top, right, bottom), int(kept.classes[at])


def _predict(engine: Engine, bundle: Bundle, frame: Frame, region: Region) -> Prediction:
    spec = bundle.card.input
    raw: Floats = engine.infer(prepare(frame.pixels, spec, region, bits=frame.bits)[None])
    return task_of(bundle.card.task).decode(raw, bundle.card, [view(region, spec, frame.camera)], [frame])[0]


def _shown_boxes(boxes: Boxes, card: Card, class_name: str) -> Boxes:
    kept = boxes.at_least(card_threshold(card))
    mine = kept.classes == card.classes.index(class_name)
    return Boxes(kept.xyxy[mine], kept.scores[mine], kept.classes[mine])


def _draw(shown: Picture, prediction: Prediction, card: Card, class_name: str) -> None:
    """Draw the outlines of the prediction in white with a black edge, so that they are visible on any colour."""
    width = max(1, round(max(shown.shape[:2]) / 400))
    contours: list[NDArray[np.int32]] = []
    answer = prediction.answer
    match answer:
        case Boxes():
            for left, top, right, bottom in np.rint(_shown_boxes(answer, card, class_name).xyxy).astype(np.int32).tolist():
                contours.append(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int32))
        case Masks():
            plane = class_map(prediction, card_threshold(card)) == card.classes.index(class_name) + 1
            offset = (prediction.region.x, prediction.region.y)
            found, _ = cv2.findContours(plane.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=offset)
            contours = [np.asarray(contour, np.int32) for contour in found]
        case Scores() | Temperatures():
            pass
        case _:
            assert_never(answer)
    for colour, extra in (((0, 0, 0), 2), ((255, 255, 255), 0)):
        cv2.polylines(shown, contours, True, colour, width + extra, cv2.LINE_AA)


def _judged(faith: Faith) -> str:
    if faith.insertion > faith.deletion and faith.road > 0:
        return "the score depends on what the heat marks."
    return "the score hardly depends on what the heat marks; do not rely on this map."


def _check_target(target: Target, card: Card) -> None:
    """Raise ConfigError for a target that a bundle of this task has not."""
    answer = task_of(card.task).answer
    if target.mask and answer is not Masks:
        raise ConfigError("Only a segmentation bundle has a mask that can be explained.")
    if target.output is not None and answer is not Temperatures:
        raise ConfigError("Only the outputs 0, 1 and 2 of a thermal bundle can be explained by number.")


def _class_index(card: Card, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in card.classes:
        raise ConfigError(
            "The bundle {bundle} has no class called {name!r}.",
            remedy="Choose one of: {names}.",
            bundle=card.name,
            name=name,
            names=", ".join(card.classes) or "none",
        )
    return card.classes.index(name)


def _tell(
    heat: HeatMap,
    card: Card,
    what: str,
    share: float | None,
    at_part: float | None,
    faith: Faith | None,
    out: Path,
    as_json: bool,
) -> None:
    if as_json:
        told = {
            "bundle": card.name,
            "task": card.task,
            "class": heat.class_name or None,
            "layer": heat.layer,
            "target": heat.target,
            "inside": share,
            "at_part": at_part,
            "insertion": None if faith is None else faith.insertion,
            "deletion": None if faith is None else faith.deletion,
            "road": None if faith is None else faith.road,
            "empty": not bool(heat.values.any()),
            "out": str(out),
        }
        say_json(told)
        return
    where = f"by {heat.layer}" if heat.layer in BLACK_BOX else f"layer {heat.layer}"
    say(f"{card.name}: {what}, {where} -> {out}")
    if not heat.values.any():
        say("Nothing in the image spoke for it: the heat map is empty.")
    if share is not None:
        say(f"{share:.0%} of the heat lies in what was predicted.")
    if at_part is not None:
        say(f"{at_part:.0%} of the heat lies on the part.")
    if faith is not None:
        say(f"Insertion {faith.insertion:.2f}, deletion {faith.deletion:.2f}, ROAD {faith.road:+.2f}: {_judged(faith)}")
