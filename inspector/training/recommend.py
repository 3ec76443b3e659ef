"""Recommends network, input and settings for a folder of images, by explicit rules that each give a sentence.

1. Network: one with a pretrained backbone, if its weights are installed. Otherwise, for detection, the network that has been
   seen to learn from random weights. Temperatures have a network of their own.
2. Input: large enough that small objects (`data.sizes`) span sufficient pixels of it (`Sizing.object_px`) and that thin ones,
   cracks and scratches, keep their width (`Sizing.thin_px`), but no larger than the images. A detector finds more with a finer
   grid over the same pixels, so images are enlarged for it up to 640 px (rolled steel of 200 px: mAP50 0.68 at 224 px, 0.72 at
   320). Of a time given, images are enlarged only so far that the fewest epochs fit. A box around a mask is as thin as what it
   holds. With a processor more than 640 px are recommended only if enough epochs fit into the time. Where the input would show
   too little of what the images show, they are learnt and inspected in tiles, if the takt allows it. Of an input that is much
   larger than its objects, pieces are learnt, most of them around an object. Classes whose defects have no known size get a
   larger input than usual where that costs a few minutes only.
3. Takt: the network may need half of it. Otherwise a smaller input or a faster network is chosen; if no network is fast enough,
   a sentence says so.
4. Kind of data: images of surfaces, which have no up and down (`data.pose`), are mirrored and rotated, and stretched to the
   input. With exactly two classes, a score is the mean over four mirrored views if the takt allows it.
5. Few images (fewer than 150, or than 20 of a class): smaller batches; stronger augmentation, unless small or thin objects
   would vanish in images that are shrunk; for classes a backbone that learns later and more slowly; cross-validation in five
   folds where half of the time allows it: folds measure, and the epochs that they cost would be missed.
6. Rare classes: if the most frequent class has at least three times as many images as the rarest, rare classes are weighted
   more. Kinds of defects on a surface with fewer than 40 images are learnt as one class.
7. Learning: the average of the last weights is kept. In a pretrained network the first stages are frozen: they see edges and
   textures, which are alike in all images, and cost most of the time. New layers, which have much to learn, learn faster than
   the rest. Many images: larger batches and steps.
8. Epochs: enough for the network to see a given number of images (`Sizing.seen`), fewer if that would exceed the time given,
   an hour if none is. Of a time given nothing is left over where the machine is faster than estimated: half as many epochs
   more are planned, and the learning rate falls with the clock.

The advice depends on the data, the task, the class of the machine (`training.costs`), the takt and the time given, and on
nothing else: not on the load of the moment. `ml/train/EXPERIMENTS.md` names the experiment behind each rule.

With these settings solar cells, magnetic tiles and rolled steel were learnt to the figures in bench/FIGURES.md.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

from inspector.core.installed import training_pack
from inspector.core.message import ClassName, Message, message
from inspector.core.registry import NETWORKS, TASKS
from inspector.core.types import TaskName
from inspector.data.survey import Survey, TaskSurvey
from inspector.runs.settings import TrainSettings
from inspector.tasks.base import task_of
from inspector.training.alternatives import VIEWS, Advice, alternatives, learning, networks_for
from inspector.training.costs import TILES, Hardware, estimate_minutes, part_ms
from inspector.training.sizing import (
    MANY,
    SHARE_OF_TAKT,
    Input,
    Tiled,
    choose_input,
    choose_piece,
    choose_tiles,
    survives,
    within_takt,
)

_FEW, _FEW_OF_A_CLASS, _FOLDS = 150, 20, 5
_FEW_TO_TELL_APART = 40  # images of a kind of defect
_ONE_CLASS = "defect"
_IMBALANCED, _VERY_IMBALANCED = 3, 25
_LONGEST_MIN = 60.0
_SHARE_OF_FOLDS = 0.5  # of the time given: folds measure, and the network is no better for them
_WEAKEST = 0.6  # to which strong augmentation shrinks
_QUICK_MIN = 6.0
_RESERVE = 1.5  # epochs planned for a time given over those estimated: the schedule ends with the time (`learning_rate`)
_VIEWS_MS = 50.0  # time limit of mirrored views if the takt is unknown
_RISK = 0.05  # that a proof does not hold


@dataclass(frozen=True, slots=True)
class _Times:
    """How long trainings with other inputs would take. `longest_min`: what they may take."""

    offered: TaskSurvey
    network: str
    pretrained: bool
    hardware: Hardware
    longest_min: float

    def affordable(self, size: Input) -> bool:
        """Return whether the fewest epochs that teach anything fit into the time."""
        return self._minutes(size, task_of(self.offered.task).sizing.epochs[0]) <= self.longest_min

    def quick(self, size: Input) -> bool:
        """Return whether all epochs that are wanted take a few minutes."""
        return self._minutes(size, _wanted_epochs({}, self.offered)) <= min(_QUICK_MIN, self.longest_min)

    def _minutes(self, size: Input, epochs: int) -> float:
        task, total = self.offered.task, self.offered.total
        values = {
            "task": task,
            "network": self.network,
            "width": size.width,
            "height": size.height,
            "pretrained": self.pretrained,
            **learning(task, self.network, total, pretrained=self.pretrained),
            "epochs": epochs,
            "piece": choose_piece(self.offered, size),
        }
        return estimate_minutes(values, total, self.hardware)


def recommend(
    survey: Survey, task: TaskName, *, takt_s: float | None, hardware: Hardware, time_s: float | None = None
) -> Advice:
    """Return the recommended training for this folder.

    `task` is one of `survey.tasks`. `takt_s`: seconds per part on the line; `time_s`: seconds that the training may take; None:
    not said.
    """
    offered, surface = survey.tasks[task], _is_surface(survey, task)
    reasons: list[Message] = []
    problems = _missing(task, hardware)
    networks = networks_for(task, weights=hardware.weights)
    network = networks[0]
    pretrained = hardware.weights and NETWORKS[network].pretrained
    longest_min = time_s / 60 if time_s else _LONGEST_MIN

    times = _Times(offered, network, pretrained, hardware, longest_min)
    seen: list[Message] = []
    chosen = choose_input(
        survey,
        offered,
        hardware,
        seen,
        stretch=surface,
        affordable=times.affordable,
        quick=times.quick,
        freely=time_s is None,
    )
    tiled = _in_tiles(survey, offered, chosen, network, hardware, reasons, takt_s=takt_s)
    reasons[:0] = seen if tiled is None else []
    if tiled is not None:
        chosen = tiled.input
    elif takt_s:
        network, chosen = within_takt(networks, chosen, takt_s, hardware, reasons, problems)
        pretrained = hardware.weights and NETWORKS[network].pretrained
    reasons.insert(0, _network_sentence(network, offered, pretrained=pretrained))
    settings: dict[str, Any] = {
        "network": network,
        "width": chosen.width,
        "height": chosen.height,
        "fit": chosen.fit,
        "pretrained": "imagenet" if pretrained else "",
        "batch": _batch(task, offered.total),
        **learning(task, network, offered.total, pretrained=pretrained),
        **(_for_a_surface(offered, reasons) if surface else {}),
    }
    if tiled is not None:
        settings |= {"tile": tiled.tiling.size, "tile_overlap": tiled.tiling.overlap}
    settings |= _in_pieces(offered, chosen, reasons)
    settings |= _for_the_data(
        offered,
        reasons,
        pretrained=pretrained,
        folds=_folds_fit(settings, offered, hardware, longest_min),
        strongly=survives(_WEAKEST, survey, offered, chosen),
    )
    settings["epochs"] = _epochs({**settings, "task": task}, offered, hardware, reasons, problems, time_s=time_s)
    if time_s:
        settings["time_limit"] = time_s
    ms = _views(settings, offered, hardware, reasons, takt_s=takt_s) if surface else _ms(settings, hardware)
    ms *= 1 if tiled is None else tiled.count
    if hardware.gpu:
        reasons.append(message("It is trained on the graphics card {name}.", name=hardware.gpu))
    reasons.append(_proof(offered))
    minutes = estimate_minutes(settings, offered.total, hardware)
    busy = 0.0 if hardware.gpu else minutes * hardware.cores
    advice = Advice(MappingProxyType(settings), tuple(reasons), tuple(problems), minutes, ms, processor_minutes=busy)
    return replace(advice, alternatives=alternatives(advice, offered, hardware))


def _in_tiles(
    survey: Survey,
    offered: TaskSurvey,
    chosen: Input,
    network: str,
    hardware: Hardware,
    reasons: list[Message],
    *,
    takt_s: float | None,
) -> Tiled | None:
    """Return tiles if they show small objects better and the takt allows them (rules 2 and 3)."""
    tiled = choose_tiles(survey, offered, chosen)
    if tiled is None:
        return None
    ms = tiled.count * part_ms(network, tiled.input.width, tiled.input.height, hardware)
    values = {"count": tiled.count, "size": tiled.tiling.size, "ms": ms}
    if takt_s and ms > 1000 * takt_s * SHARE_OF_TAKT:
        reasons.append(
            message(
                "In {count} tiles of {size} px they would be seen better, but a part would compute {ms:.0f} ms, more than "
                "half of the takt of {takt:.0f} ms.",
                takt=1000 * takt_s,
                **values,
            )
        )
        return None
    reasons.append(
        message(
            "Images are learnt and inspected in tiles of {size} px, in which small objects are seen better; the {count} tiles "
            "of a part compute {ms:.0f} ms.",
            **values,
        )
    )
    return tiled


def _in_pieces(offered: TaskSurvey, chosen: Input, reasons: list[Message]) -> dict[str, Any]:
    """Return the setting of the pieces that are learnt, if any (rule 2)."""
    piece = choose_piece(offered, chosen)
    if not piece:
        return {}
    reasons.append(
        message(
            "It learns from pieces of {piece} px, most of them around an object: a step takes {share:.0f} % of the time that "
            "the whole input would take.",
            piece=piece,
            share=100 * min(piece, chosen.width) * min(piece, chosen.height) / (chosen.width * chosen.height),
        )
    )
    return {"piece": piece}


def _ms(settings: Mapping[str, Any], hardware: Hardware) -> float:
    return part_ms(str(settings["network"]), settings["width"], settings["height"], hardware)


def _views(
    settings: dict[str, Any], offered: TaskSurvey, hardware: Hardware, reasons: list[Message], *, takt_s: float | None
) -> float:
    """Choose mirrored views where the takt allows them (rule 4); return the milliseconds per part."""
    ms, allowed = _ms(settings, hardware), 1000 * takt_s * SHARE_OF_TAKT if takt_s else _VIEWS_MS
    if task_of(offered.task).mirrors != "same" or len(offered.classes) != 2 or VIEWS * ms > allowed:
        return ms
    settings["mirrored"] = True
    ms *= VIEWS
    reasons.append(
        message("A score is the mean over four mirrored views, which steadies it; a part then computes {ms:.0f} ms.", ms=ms)
    )
    return ms


def _proof(offered: TaskSurvey) -> Message:
    """Return what the test images can show at best: the one-sided 95 % bound if none is wrong (Clopper and Pearson, 1934)."""
    share = float(TrainSettings.model_fields["test"].default)
    count = offered.parts.get("test") or max(1, round(share * (offered.groups or offered.total)))
    return message(
        "About {count} {count:|image tests|images test} it. Even if all of them are judged right, up to {wrong:.2g} % of "
        "all parts may be judged "
        "wrong.",
        count=count,
        wrong=100 * (1 - _RISK ** (1 / count)),
    )


def _is_surface(survey: Survey, task: TaskName) -> bool:
    """Return whether the images may be rotated arbitrarily (rule 4)."""
    return task_of(task).varied and survey.pose is not None and survey.pose.any_direction


def _batch(task: TaskName, images: int) -> int:
    usual = int(cast(int, TASKS[task].defaults.get("batch", 16)))
    sizing = task_of(task).sizing
    usual = sizing.batch or usual
    if images < _FEW:
        return min(sizing.batch_of_few, usual)
    return (sizing.batch_of_many or usual) if images >= MANY else usual


def _for_a_surface(offered: TaskSurvey, reasons: list[Message]) -> dict[str, Any]:
    """Return settings for a surface (rules 4 and 6).

    Images are mirrored and rotated; kinds of defects with too few images are learnt as one.
    """
    settings: dict[str, Any] = {"augment": "surface"}
    reasons.append(
        message("The images look alike from every side, as surfaces do: they are mirrored and turned while it learns.")
    )
    kinds = {name: count for name, count in offered.images.items() if count and name in offered.classes}
    if TASKS[offered.task].labels == "mask" and len(kinds) > 1 and min(kinds.values()) < _FEW_TO_TELL_APART:
        rarest = min(kinds, key=lambda name: kinds[name])
        settings["one_class"] = _ONE_CLASS
        reasons.append(
            message(
                "Of {name} there {count:|is|are} only {count} {count:|image|images}, too few to tell the kinds of "
                "defects apart by pixels: all are learnt "
                "as one, which finds them better.",
                name=ClassName(rarest),
                count=kinds[rarest],
            )
        )
    return settings


def _missing(task: TaskName, hardware: Hardware) -> list[Message]:
    found = []
    pack = training_pack()
    if not hardware.torch:
        found.append(
            message(
                "Training is not installed. Install the training pack, {pack}."
                if pack
                else "Training needs packages that are not installed. Install them from the program's folder: "
                "packaging/run.sh --with train (Windows: run.ps1).",
                pack=pack,
            )
        )
    if not hardware.weights and not pack and NETWORKS[networks_for(task, weights=True)[0]].pretrained:
        found.append(
            message(
                "Start weights that need no download are not installed, so it would learn from nothing. Install them from the "
                "program's folder: packaging/run.sh --with train (Windows: run.ps1), or choose a file of weights."
            )
        )
    return found


def _network_sentence(network: str, offered: TaskSurvey, *, pretrained: bool) -> Message:
    label, count = NETWORKS[network].label, offered.total
    if pretrained:
        return message(
            "{network}: it starts from a network that knows pictures already, and learns from fewer images; here are {count}.",
            network=label,
            count=count,
        )
    if TASKS[offered.task].labels == "temperatures":
        return message("{network}: made for the small pictures of thermal cameras.", network=label)
    return message(
        "{network}: it learns from {count:|this|these} {count} {count:|image|images} alone.", network=label, count=count
    )


def _folds_fit(settings: Mapping[str, Any], offered: TaskSurvey, hardware: Hardware, longest_min: float) -> bool:
    """Return whether a cross-validation with all epochs that are wanted fits into the time."""
    values = {**settings, "task": offered.task, "folds": _FOLDS, "epochs": _wanted_epochs(settings, offered)}
    return estimate_minutes(values, offered.total, hardware) <= _SHARE_OF_FOLDS * longest_min


def _for_the_data(
    offered: TaskSurvey, reasons: list[Message], *, pretrained: bool, folds: bool, strongly: bool
) -> dict[str, Any]:
    """Return augmentation, folds, rates and weights according to the number of images per class (rules 5 and 6).

    `folds`: there is time for a cross-validation. `strongly`: objects are still seen after strong augmentation.
    """
    counts = [count for count in offered.images.values() if count]
    rarest = min(counts, default=0)
    folds = folds and rarest >= _FOLDS
    settings: dict[str, Any] = {}
    labelled = TASKS[offered.task].labels == "label"
    if task_of(offered.task).varied and (offered.total < _FEW or rarest < _FEW_OF_A_CLASS):
        if strongly:
            settings["augment"] = "strong"
        if folds:
            settings["folds"] = _FOLDS
        if pretrained and (labelled or offered.total < _FEW):
            settings |= task_of(offered.task).sizing.rates_of_few
        reasons.append(_few_sentence(offered.total, rarest, folds=folds, strongly=strongly))
    if labelled:
        settings["balance"] = "none"
    if labelled and offered.imbalance >= _IMBALANCED:
        # Weights stop at ten times the most frequent class's; beyond that a batch hardly ever has one of the rare class.
        settings["balance"] = "sampler" if offered.imbalance > _VERY_IMBALANCED else "weights"
        reasons.append(
            message(
                "The most frequent class has {times:.0f} times as many images as the rarest: rare ones count more.",
                times=offered.imbalance,
            )
        )
    return settings


def _few_sentence(count: int, rarest: int, *, folds: bool, strongly: bool) -> Message:
    values = {"count": count, "rarest": rarest, "folds": _FOLDS}
    if not strongly and folds:
        return message(
            "Few images ({count}, {rarest} of the rarest class): they are measured in {folds} folds, and not varied strongly, "
            "because small or thin objects would vanish.",
            **values,
        )
    if not strongly:
        return message(
            "Few images ({count}, {rarest} of the rarest class): what it can do is known only roughly; they are not varied "
            "strongly, because small or thin objects would vanish.",
            **values,
        )
    if folds:
        return message(
            "Few images ({count}, {rarest} of the rarest class): they are varied strongly, and measured in {folds} folds.",
            **values,
        )
    return message(
        "Few images ({count}, {rarest} of the rarest class): they are varied strongly; what it can do is known only roughly.",
        **values,
    )


def _epochs(
    settings: Mapping[str, Any],
    offered: TaskSurvey,
    hardware: Hardware,
    reasons: list[Message],
    problems: list[Message],
    *,
    time_s: float | None,
) -> int:
    """Return the number of epochs (rule 8)."""
    images, fewest, wanted = offered.total, task_of(offered.task).sizing.epochs[0], _wanted_epochs(settings, offered)
    longest = time_s / 60 if time_s else _LONGEST_MIN

    def minutes(epochs: int) -> float:
        return estimate_minutes({**settings, "epochs": epochs}, images, hardware)

    if minutes(wanted) <= longest:
        return wanted
    each = minutes(2) - minutes(1)
    possible = max(1, int((longest - minutes(1)) / each) + 1)
    if time_s:
        if possible < fewest:
            problems.append(too_short(longest, minutes(1), needed=minutes(fewest)))
        elif possible < wanted:
            reasons.append(
                message(
                    "About {epochs} {epochs:|epoch fits|epochs fit} into the time, with which the learning ends; {wanted} "
                    "would be better.",
                    epochs=possible,
                    wanted=wanted,
                )
            )
        return min(math.ceil(_RESERVE * possible), wanted)
    epochs = max(fewest, possible)
    reasons.append(
        message(
            "{epochs} {epochs:|epoch|epochs}, so that it takes about an hour; {wanted} would be better.",
            epochs=epochs,
            wanted=wanted,
        )
        if minutes(epochs) <= 1.1 * _LONGEST_MIN
        else message(
            "{epochs} {epochs:|epoch is|epochs are} the fewest that {epochs:|makes|make} sense; "
            "{epochs:|it takes|they take} more than an hour here.",
            epochs=epochs,
        )
    )
    return epochs


def _wanted_epochs(settings: Mapping[str, Any], offered: TaskSurvey) -> int:
    sizing, shown = task_of(offered.task).sizing, offered.total * (TILES if settings.get("tile") else 1)
    fewest, most = sizing.epochs
    return min(max(round(sizing.seen / max(1, 0.7 * shown)), fewest), most)


def too_short(given_min: float, first_min: float, *, needed: float) -> Message:
    """Return the sentence about a time limit in which too little is learnt. All in minutes; `first_min`: of the first epoch."""
    values = {"given": given_min, "first": first_min, "needed": needed}
    if first_min > given_min:
        return message(
            "A time limit of {given:.2g} minutes is too short for one epoch, which takes about {first:.2g} minutes here; about "
            "{needed:.0f} minutes are needed to learn anything.",
            **values,
        )
    return message(
        "A time limit of {given:.2g} minutes allows fewer epochs than make sense; about {needed:.0f} minutes would be enough.",
        **values,
    )
