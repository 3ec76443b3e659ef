"""`inspector explain FOLDER --report OUT`: where bundles look in many images, and what to do about it."""

import shlex
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from inspector.bundles.bundle import Bundle
from inspector.cli.support.lines import say, say_json
from inspector.cli.support.terminal import progress_bar
from inspector.core.errors import ConfigError
from inspector.core.message import Message
from inspector.core.types import Floats, Prediction, Region, Temperatures
from inspector.data.annotations import read_dataset
from inspector.data.samples import Dataset, Sample
from inspector.engines.base import open_engine
from inspector.engines.explainer import Explainer, HeatMap, check_inside
from inspector.imaging.preprocessing import Prepared
from inspector.imaging.visible import visible
from inspector.ml.evaluate import Infer, Item, predict_items, sample_items
from inspector.ml.occlusion import explained_class
from inspector.ml.reports.images import heated
from inspector.ml.reports.trust import Looked, area_text, around, faithful, hot_area, looked, unsteady
from inspector.ml.reports.trust_report import advice, earlier, figures, helped, write_trust
from inspector.runs.folder import read_run
from inspector.runs.settings import TrainSettings, shown_settings, train_settings
from inspector.runs.trust import FIGURES, PAGE, Advice, Trust, advised
from inspector.tasks.base import task_of
from inspector.tasks.drawing import fitted, jpeg
from inspector.workers.messages import ExplainMethod

_MOST_PICTURES = 12
_TRUTH = (0, 158, 115)  # green, as in the report of a training


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """One image: its measures, its input, and its picture with the heat."""

    looked: Looked
    pixels: Prepared
    picture: tuple[str, bytes]


def report(
    folder: Path,
    bundles: Sequence[Bundle],
    out: Path,
    *,
    method: ExplainMethod | None = None,
    part: Region | None = None,
    most: int = 60,
    background: bool = False,
    as_json: bool = False,
) -> int:
    """Measure every bundle on at most `most` images of a labelled folder and write the report.

    `background`: leave the processor to a running line. Exit code 1 if some images could not be read. Raises ConfigError,
    StorageError.
    """
    now: list[Trust] = []
    pictures: dict[str, list[tuple[str, bytes]]] = {}
    broken: list[Message] = []
    data = ""
    for bundle in bundles:
        dataset = read_dataset(
            folder, bundle.card.task, classes=bundle.card.classes, one_class=str(bundle.card.training.get("one_class", ""))
        )
        data = dataset.fingerprint()
        with progress_bar() as bar:
            samples = _some(dataset, most)
            task = bar.add_task(bundle.name, total=len(samples))
            items = list(sample_items(samples, bundle.card, problems=broken))
            masks, tick = _masks(folder, dataset), partial(bar.advance, task)
            explainer = Explainer(bundle, low_priority=background)
            try:
                trust, shown = _measured(bundle, explainer, items, folder, data, masks, method=method, part=part, tick=tick)
            finally:
                explainer.close()
        now.append(trust)
        pictures[bundle.name] = shown
    before = earlier(out, data, now)
    write_trust(out, now, before, pictures)
    for problem in broken:
        say(f"inspector: {problem}", err=True)
    _tell(now, before, out, as_json=as_json)
    return 1 if broken else 0


def _measured(
    bundle: Bundle,
    explainer: Explainer,
    items: Sequence[Item],
    folder: Path,
    data: str,
    masks: Mapping[str, Sample],
    *,
    method: ExplainMethod | None,
    part: Region | None,
    tick: Callable[[], None],
) -> tuple[Trust, list[tuple[str, bytes]]]:
    """Return the figures of one bundle, and the pictures to show. `tick` is called for each image."""
    card = bundle.card
    if not items:
        raise ConfigError("None of the images in {folder} can be read.", folder=folder)
    with open_engine("onnxruntime", bundle) as engine:
        found = predict_items(engine.infer, card, items)
        seen = []
        for item, prediction in found:
            seen.append(_look(item, prediction, explainer, engine.infer, bundle, masks, method, part))
            tick()
        # A tiled bundle sees, and learns from, other inputs than the whole frame.
        tiled = bool(items[0].tiles)
        scored = task_of(card.task).answer is not Temperatures and not tiled
        frames, what = [one.pixels for one in seen], [one.looked for one in seen]
        hot = hot_area(engine.infer, card, frames, what, card.classes) if scored else None
        light, place = unsteady(engine.infer, card, frames, what) if scored else (0.0, 0.0)
    numbers = figures(what)
    advised = advice(
        what,
        hot,
        inside_part=numbers["inside_part"],
        beside_part="" if part is None or tiled else area_text(around(part, items[0].view, card.input)),
        light=light,
        place=place,
        augment=str(card.training.get("augment", "")),
    )
    trust = Trust(
        bundle=card.name,
        folder=str(folder),
        fingerprint=bundle.fingerprint,
        task=card.task,
        created=datetime.now(UTC),
        data=data,
        images=len(seen),
        light=light,
        place=place,
        wrong_place=tuple(one.sample for one in what if one.wrong_place),
        area="" if hot is None else area_text([hot.area]),
        effect=None if hot is None else hot.effect,
        advice=tuple(_with_command(one, bundle, folder) for one in advised),
        **numbers,
    )
    worst = sorted(seen, key=lambda one: (not one.looked.wrong_place, one.looked.lift or 0.0))
    return trust, [one.picture for one in worst[:_MOST_PICTURES]]


def _look(
    item: Item,
    prediction: Prediction,
    explainer: Explainer,
    infer: Infer,
    bundle: Bundle,
    masks: Mapping[str, Sample],
    method: ExplainMethod | None,
    part: Region | None,
) -> _Seen:
    """Explain the answer for one image and measure its heat map."""
    card, frame = bundle.card, item.frame
    if part is not None:
        check_inside(part, frame)
    kind = explained_class(prediction, card)
    heat = explainer.explain(frame, region=item.view.region, class_index=kind if card.classes else None, method=method)
    whole = in_frame(heat, frame.width, frame.height)
    mask = masks.get(item.name)
    truth = item.truth if mask is None else replace(mask.annotation(frame.height, frame.width), label=item.truth.label)
    faith = None
    if task_of(card.task).answer is not Temperatures and not item.tiles:
        faith = faithful(infer, card, item.pixels, heat.on_input(card.input), kind)
    measured = looked(item, prediction, whole, card=card, class_index=kind, part=part, truth=truth, faith=faith)
    picture, _ = fitted(visible(frame), shortest=240, longest=480)
    shown = heated(picture, whole)
    if truth.mask is not None and (truth.mask > 0).any():
        small = cv2.resize((truth.mask > 0).astype(np.uint8), shown.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(small, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(shown, outlines, -1, _TRUTH, 2)
    caption = f"{item.name}: {measured.said}" + (" (right answer, wrong place)" if measured.wrong_place else "")
    return _Seen(measured, item.pixels, (caption, jpeg(shown)))


def in_frame(heat: HeatMap, width: int, height: int) -> Floats:
    """Return a heat map in the pixels of the whole frame, 0 outside its region."""
    region, values = heat.region, np.zeros((height, width), np.float32)
    values[region.y : region.bottom, region.x : region.right] = heat.in_region()
    return values


def training_command(bundle: Bundle, folder: Path, advice: Advice) -> str:
    """Return the command that trains this bundle again with the change that is advised, into a folder beside it."""
    settings = advised(_settings(bundle, folder), advice)
    out = bundle.folder.with_name(f"{bundle.folder.name}-{advice.change}")
    words = ["inspector", "train", "--task", settings.task, "--network", settings.network, "--data", str(settings.data)]
    words += ["--out", str(out), "--size", f"{settings.width}x{settings.height}"]
    words += [word for name in settings.ok_classes for word in ("--ok", name)]
    words += [word for key, value in settings.options.items() for word in ("--option", f"{key}={value}")]
    usual = train_settings({"task": settings.task, "network": settings.network, "data": settings.data, "out": out})
    for name in shown_settings():
        value, flag = getattr(settings, name), f"--{name.replace('_', '-')}"
        if name in ("width", "height", "ok_classes") or value == getattr(usual, name):
            continue
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, tuple):
            words += [flag, *map(str, value)]
        else:
            words += [flag, str(value)]
    return shlex.join(words)


def _settings(bundle: Bundle, folder: Path) -> TrainSettings:
    """Return the settings a bundle was trained with: from the run beside it, else from its card, on the explained folder."""
    run = bundle.folder.with_name(bundle.folder.name + ".run")
    if (run / "run.json").is_file():
        return read_run(run).train_settings()
    card = bundle.card
    known = {name: card.training[name] for name in shown_settings() if name in card.training and name not in ("options", "run")}
    if isinstance(known.get("augment"), bool):  # all that cards of earlier versions say
        known["augment"] = "standard" if known["augment"] else "none"
    given = {"task": card.task, "network": card.network, "data": folder.resolve(), "out": bundle.folder}
    sizes = {"width": card.input.width, "height": card.input.height, "ok_classes": card.ok_classes}
    return train_settings({**known, **given, **sizes, "options": dict(card.network_options)})


def _with_command(one: Advice, bundle: Bundle, folder: Path) -> Advice:
    if not one.settings or bundle.card.family:
        return one
    return one.model_copy(update={"command": training_command(bundle, folder, one)})


def _some(dataset: Dataset, most: int) -> list[Sample]:
    """Return at most `most` samples, of every class in turn, evenly over its files."""
    by_class: dict[str, list[Sample]] = defaultdict(list)
    for sample in dataset.samples:
        by_class[sample.stratum].append(sample)
    each = max(1, most // len(by_class))
    chosen = [some[round(n * len(some) / each)] for some in by_class.values() for n in range(each) if len(some) > each]
    chosen += [sample for some in by_class.values() if len(some) <= each for sample in some]
    return sorted(chosen, key=lambda sample: sample.name)


def _masks(folder: Path, dataset: Dataset) -> Mapping[str, Sample]:
    """Return the samples with masks by name, where the labels of a classification have some beside them."""
    if dataset.task != "classification":
        return {}
    try:
        found = read_dataset(folder, "segmentation")
    except ConfigError:
        return {}
    return {sample.name: sample for sample in found.samples if sample.mask is not None}


def _tell(now: Sequence[Trust], before: Sequence[Trust], out: Path, *, as_json: bool) -> None:
    if as_json:
        for one in now:
            say_json(one.model_dump(mode="json"))
        return
    for one in sorted(now, key=lambda trust: trust.rank):
        say(f"{one.bundle}: {one.images} images -> {out / PAGE}")
        for name, value in _rows(one):
            if value is not None:
                say(f"  {name}: {value}")
        for number, told in enumerate(one.advice, start=1):
            say(f"  {number}. {told.why.text}")
            if told.command:
                say(f"     {told.command}")
        for old in before:
            if old.task == one.task:
                say(f"  {helped(old, one)}")
    say(f"Figures: {out / FIGURES}")


def _rows(one: Trust) -> list[tuple[str, str | None]]:
    def percent(value: float | None) -> str | None:
        return None if value is None else f"{value:.0%}"

    return [
        ("right answers", percent(one.right)),
        ("heat on the part", percent(one.inside_part)),
        ("heat on the defect", percent(one.inside_truth)),
        ("times chance", None if one.lift is None else f"{one.lift:.1f}"),
        ("hottest on the defect", percent(one.pointing)),
        ("insertion", None if one.insertion is None else f"{one.insertion:.2f}"),
        ("deletion", None if one.deletion is None else f"{one.deletion:.2f}"),
        ("ROAD", None if one.road is None else f"{one.road:.2f}"),
        ("right answer, wrong place", None if one.lift is None else str(len(one.wrong_place))),
    ]
