"""Recommends network, input and settings for a folder of images, by explicit rules that each give a sentence.

1. Network: one with a pretrained backbone, if its weights are installed. Otherwise, for detection, the network that has been
   seen to learn from random weights. Temperatures have a network of their own.
2. Input: large enough that the median object spans sufficient pixels of it (`Sizing.object_px`), but no larger than the images.
   A detector finds more with a finer grid over the same pixels, so small images are enlarged for it (rolled steel of 200 px:
   mAP50 0.68 at 224 px, 0.72 at 320).
3. Takt: the network may need half of it. Otherwise a smaller input or a faster network is chosen; if no network is fast enough,
   a sentence says so.
4. Kind of data: images of surfaces, which have no up and down (`data.pose`), are mirrored and rotated, and stretched to the
   input. With exactly two classes, a score is the mean over four mirrored views if the takt allows it.
5. Few images (fewer than 150, or than 20 of a class): stronger augmentation, a backbone that learns later and more slowly,
   cross-validation in five folds.
6. Rare classes: if the most frequent class has at least three times as many images as the rarest, rare classes are weighted
   more. Kinds of defects on a surface with fewer than 40 images are learnt as one class.
7. Learning: the average of the last weights is kept. In a pretrained network the first stages are frozen: they see edges and
   textures, which are alike in all images, and cost most of the time. New layers, which have much to learn, learn faster than
   the rest. Many images: larger batches and steps.
8. Epochs: enough for the network to see a given number of images (`Sizing.seen`), fewer if that would exceed an hour.

With these settings solar cells, magnetic tiles and rolled steel were learnt to the figures in bench/FIGURES.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from statistics import median
from types import MappingProxyType
from typing import Any, cast

from inspector.core.installed import training_pack
from inspector.core.message import ClassName, Message, message
from inspector.core.registry import NETWORKS, STILL_STAGES, TASKS
from inspector.core.types import TaskName
from inspector.data.survey import Survey, TaskSurvey
from inspector.runs.settings import CURVE_REPEATS, CURVE_SHARES, task_defaults
from inspector.tasks.base import task_of
from inspector.training.costs import Hardware, cost_of

_SIDES = (64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024)
_GRID = 32  # the networks halve the input five times
_SMALLEST = 96
_LARGEST, _LARGEST_GPU = 640, 1024
_FEW, _FEW_OF_A_CLASS, _FOLDS = 150, 20, 5
_MANY = 1000
_FEW_TO_TELL_APART = 40  # images of a kind of defect
_ONE_CLASS = "defect"
_AVERAGE = 0.99
_IMBALANCED, _VERY_IMBALANCED = 3, 25
_LONGEST_MIN = 60.0
_SHARE_OF_TAKT = 0.5  # camera, reading, decoding and the line need the rest
_VIEWS, _VIEWS_MS = 4, 50.0  # mirrored views; their time limit if the takt is unknown
_LARGER = 1.4  # factor from which a larger input is worth mentioning
_SAME_SHAPE = 1.03
_ALMOST_SQUARE = 1.25
_FORWARD = 1 / 3  # of a step: going forward only, as validation does
_START_S = 30.0  # torch is loaded, the network is exported and measured


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to learn the same data.

    Holds the settings to change, the benefit, and the price in minutes of training and ms of computing time per part.
    """

    settings: Mapping[str, Any]
    minutes: float
    ms: float
    trade: Message


@dataclass(frozen=True, slots=True)
class Advice:
    """Recommended settings.

    `settings`: values of `TrainSettings`. `reasons`: one sentence per reason. `problems`: obstacles, each with its remedy.
    `minutes` of training and `ms` of computing time per part are estimates for this machine.
    """

    settings: Mapping[str, Any]
    reasons: tuple[Message, ...]
    problems: tuple[Message, ...]
    minutes: float
    ms: float
    alternatives: tuple[Alternative, ...] = ()

    @property
    def reason(self) -> Message:
        """All reasons and problems as one message."""
        return reduce(lambda first, then: message("{first} {then}", first=first, then=then), (*self.reasons, *self.problems))


@dataclass(frozen=True, slots=True)
class _Input:
    width: int
    height: int
    fit: str = "stretch"

    @property
    def side(self) -> int:
        return max(self.width, self.height)

    def shrunk(self, side: int) -> "_Input":
        """Return the same aspect ratio with this longer side."""
        width, height = (max(_GRID, round(size * side / self.side / _GRID) * _GRID) for size in (self.width, self.height))
        return _Input(width, height, self.fit)


def recommend(survey: Survey, task: TaskName, *, takt_s: float | None, hardware: Hardware) -> Advice:
    """Return the recommended training for this folder.

    `task` is one of `survey.tasks`; `takt_s`: seconds per part on the line, or None.
    """
    offered, surface = survey.tasks[task], _is_surface(survey, task)
    reasons: list[Message] = []
    problems = _missing(task, hardware)
    networks = networks_for(task, weights=hardware.weights)
    network, chosen = networks[0], _input(survey, offered, hardware, reasons)
    if takt_s:
        network, chosen = _within_takt(networks, chosen, takt_s, hardware, reasons, problems)
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
        **_for_the_data(offered, reasons, pretrained=pretrained),
    }
    settings["epochs"] = _epochs(settings, task, offered.total, hardware, reasons)
    ms = part_ms(network, chosen.width, chosen.height, hardware)
    allowed = 1000 * takt_s * _SHARE_OF_TAKT if takt_s else _VIEWS_MS
    if surface and task_of(task).mirrors == "same" and len(offered.classes) == 2 and _VIEWS * ms <= allowed:
        settings["mirrored"] = True
        ms *= _VIEWS
        reasons.append(
            message("A score is the mean over four mirrored views, which steadies it; a part then computes {ms:.0f} ms.", ms=ms)
        )
    if hardware.gpu:
        reasons.append(message("It is trained on the graphics card {name}.", name=hardware.gpu))
    minutes = estimate_minutes(settings, offered.total, hardware)
    advice = Advice(MappingProxyType(settings), tuple(reasons), tuple(problems), minutes, ms)
    return replace(advice, alternatives=alternatives(advice, offered, hardware))


def networks_for(task: TaskName, *, weights: bool) -> tuple[str, ...]:
    """Return the task's networks, the recommended one first (rule 1)."""
    advised = [name for name, entry in NETWORKS.items() if task in entry.tasks and entry.advised]
    found = sorted(advised or _made_for(task), key=lambda name: NETWORKS[name].advised)
    return tuple(found if weights else sorted(found, key=lambda name: not NETWORKS[name].from_nothing))


def _made_for(task: TaskName) -> list[str]:
    return [name for name, entry in NETWORKS.items() if task in entry.tasks]


def _is_surface(survey: Survey, task: TaskName) -> bool:
    """Return whether the images may be rotated arbitrarily (rule 4)."""
    return task_of(task).varied and survey.pose is not None and survey.pose.any_direction


def _batch(task: TaskName, images: int) -> int:
    usual = int(cast(int, TASKS[task].defaults.get("batch", 16)))
    if images < _FEW:
        return min(8, usual)
    return (task_of(task).sizing.batch_of_many or usual) if images >= _MANY else usual


def learning(task: TaskName, network: str, images: int, *, pretrained: bool) -> dict[str, Any]:
    """Return rates, weight average and frozen stages (rule 7)."""
    if not pretrained:
        return {"lr": TASKS[task].defaults.get("lr", 1e-3), "ema": _AVERAGE, **NETWORKS[network].from_nothing}
    sizing = task_of(task).sizing
    rates = (sizing.rates_of_many or sizing.rates) if images >= _MANY else sizing.rates
    return {**rates, "ema": _AVERAGE, "freeze_stages": STILL_STAGES}


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
                "Of {name} there are only {count} images, too few to tell the kinds of defects apart by pixels: all are learnt "
                "as one, which finds them better.",
                name=ClassName(rarest),
                count=kinds[rarest],
            )
        )
    return settings


def estimate_minutes(settings: Mapping[str, Any], images: int, hardware: Hardware) -> float:
    """Return the estimated minutes of a training with `images` images in all, by the table of `costs`.

    `settings`: as for `TrainSettings`; omitted values have the task's or the usual default.
    """
    values: dict[str, Any] = {**task_defaults(str(settings.get("task"))), "epochs": 30, "val": 0.15, "test": 0.15}
    values |= {key: value for key, value in settings.items() if value not in (None, "", 0)}
    cost = cost_of(str(values["network"]))
    pixels = int(values["width"]) * int(values["height"])
    val, test = float(values["val"]), float(values["test"])
    still = int(values.get("freeze_stages", 0)) if values.get("pretrained") else 0
    step, judged = cost.step_ms(pixels, still=still), cost.step_ms(pixels) * _FORWARD
    epoch_s = images * ((1 - val - test) * step + val * judged) / 1000 / hardware.training_speed
    trainings = 1 + int(values.get("folds", 0)) + (len(CURVE_SHARES) * CURVE_REPEATS if values.get("learning_curve") else 0)
    learning = min(epoch_s * int(values["epochs"]) * trainings, float(values.get("time_limit", 0)) or float("inf"))
    return (_START_S + learning) / 60


def part_ms(network: str, width: int, height: int, hardware: Hardware) -> float:
    """Return the milliseconds per part of a network on this machine's processor, by the table of `costs`."""
    return cost_of(network).infer_ms(width * height) / hardware.speed


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
                "program's folder: packaging/run.sh --with pretrained (Windows: run.ps1), or choose a file of weights."
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
    return message("{network}: it learns from these {count} images alone.", network=label, count=count)


def _input(survey: Survey, offered: TaskSurvey, hardware: Hardware, reasons: list[Message]) -> _Input:
    """Return the input for these sizes of images and objects (rule 2)."""
    sizing = task_of(offered.task).sizing
    longest = [max(size) for size, count in survey.sizes.items() for _ in range(count)] or [sizing.usual]
    widest = round(median(longest))
    most = max(_SMALLEST, min(_ladder(sizing.enlarged * widest), _LARGEST_GPU if hardware.gpu else _LARGEST))
    usual = (sizing.usual_of_many or sizing.usual) if offered.total >= _MANY else sizing.usual
    side = min(usual, most)
    shares = [one.object_share for one in (offered, *survey.tasks.values()) if one.object_share]
    if shares:
        part, needed = shares[0] ** 0.5, sizing.object_px  # side of the median object over that of its image
        side = min(max(side, _ladder(needed / part)), most)
        spans = round(part * side)
        values = {"share": 100 * shares[0], "side": side, "spans": spans}
        reasons.append(
            message(
                "Half of the defects cover less than {share:.2g} % of their image; at {side} px they span {spans} px.", **values
            )
            if spans >= needed
            else message(
                "Half of the defects cover less than {share:.2g} % of their image; even at {side} px they span only {spans} "
                "px, and {needed} would be good: cut the images into pieces, or let the camera look closer.",
                needed=needed,
                **values,
            )
        )
    else:
        reasons.append(message("An input of {side} px suits images of {widest} px.", side=side, widest=widest))
    return _shape(list(survey.sizes), side, stretch=_is_surface(survey, offered.task))


def _shape(sizes: Sequence[tuple[int, int]], side: int, *, stretch: bool) -> _Input:
    """Return the input's two sides: in the images' common aspect ratio if there is one, else square.

    `stretch`: ignore the images' aspect ratios.
    """
    aspects = [width / height for width, height in sizes] or [1.0]
    if max(aspects) / min(aspects) <= _SAME_SHAPE:
        width, height = sizes[0] if sizes else (1, 1)
        return _Input(width, height).shrunk(side)
    wide = max(max(aspects), 1 / min(aspects)) > _ALMOST_SQUARE
    return _Input(side, side, "letterbox" if wide and not stretch else "stretch")


def _ladder(pixels: float) -> int:
    """Return the smallest usual side of at least `pixels`."""
    return next((side for side in _SIDES if side >= pixels), _SIDES[-1])


def _within_takt(
    networks: Sequence[str],
    wanted: _Input,
    takt_s: float,
    hardware: Hardware,
    reasons: list[Message],
    problems: list[Message],
) -> tuple[str, _Input]:
    """Return a network and input that need at most half of the takt (rule 3).

    This is the largest input up to the wanted one for which a network is fast enough, and the first such network.
    """
    first, budget = networks[0], 1000 * takt_s * _SHARE_OF_TAKT
    candidates = [wanted, *(wanted.shrunk(side) for side in reversed(_SIDES) if _SMALLEST <= side < wanted.side)]
    for size in candidates:
        for network in networks:
            ms = part_ms(network, size.width, size.height, hardware)
            if ms <= budget:
                values = {"ms": ms, "takt": 1000 * takt_s}
                reasons.append(
                    message("It computes about {ms:.0f} ms a part here, and the takt is {takt:.0f} ms.", **values)
                    if (network, size) == (first, wanted)
                    else message(
                        "The takt of {takt:.0f} ms allows {width} x {height} px with this network, which computes about "
                        "{ms:.0f} ms a part here; small defects are told worse.",
                        width=size.width,
                        height=size.height,
                        **values,
                    )
                )
                return network, size
    fastest = min(networks, key=lambda name: part_ms(name, candidates[-1].width, candidates[-1].height, hardware))
    problems.append(
        message(
            "No network is fast enough here for a takt of {takt:.0f} ms: the smallest input computes {ms:.0f} ms, and half of "
            "the takt is needed for the rest. Use a faster computer or a longer takt.",
            takt=1000 * takt_s,
            ms=part_ms(fastest, candidates[-1].width, candidates[-1].height, hardware),
        )
    )
    return fastest, candidates[-1]


def _for_the_data(offered: TaskSurvey, reasons: list[Message], *, pretrained: bool) -> dict[str, Any]:
    """Return augmentation, folds, rates and weights according to the number of images per class (rules 5 and 6)."""
    counts = [count for count in offered.images.values() if count]
    rarest = min(counts, default=0)
    settings: dict[str, Any] = {}
    if task_of(offered.task).varied and (offered.total < _FEW or rarest < _FEW_OF_A_CLASS):
        settings["augment"] = "strong"
        if rarest >= _FOLDS:
            settings["folds"] = _FOLDS
        if pretrained:
            settings |= {"freeze_epochs": 3, "backbone_rate": 0.3}
        reasons.append(
            message(
                "Few images ({count}, {rarest} of the rarest class): they are varied strongly, and measured in {folds} folds.",
                count=offered.total,
                rarest=rarest,
                folds=_FOLDS,
            )
            if rarest >= _FOLDS
            else message(
                "Few images ({count}, {rarest} of the rarest class): they are varied strongly; what it can do is known only "
                "roughly.",
                count=offered.total,
                rarest=rarest,
            )
        )
    labelled = TASKS[offered.task].labels == "label"
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


def _epochs(settings: Mapping[str, Any], task: TaskName, images: int, hardware: Hardware, reasons: list[Message]) -> int:
    """Return the number of epochs (rule 8)."""
    sizing = task_of(task).sizing
    fewest, most = sizing.epochs
    wanted = min(max(round(sizing.seen / max(1, 0.7 * images)), fewest), most)
    minutes = estimate_minutes({**settings, "epochs": wanted}, images, hardware)
    if minutes <= _LONGEST_MIN:
        return wanted
    epochs = max(fewest, int(wanted * _LONGEST_MIN / minutes))
    reasons.append(
        message("{epochs} epochs, so that it takes about an hour; {wanted} would be better.", epochs=epochs, wanted=wanted)
        if estimate_minutes({**settings, "epochs": epochs}, images, hardware) <= 1.1 * _LONGEST_MIN
        else message("{epochs} epochs are the fewest that make sense; they take more than an hour here.", epochs=epochs)
    )
    return epochs


def alternatives(advice: Advice, offered: TaskSurvey, hardware: Hardware) -> tuple[Alternative, ...]:
    """Return the alternatives considered.

    These are the task's other networks, a larger input, each kind of defect on its own, and mirrored views.
    """
    settings, task = advice.settings, offered.task
    found = [
        _network(name, advice, offered, hardware)
        for name in networks_for(task, weights=hardware.weights)
        if name != settings["network"]
    ]
    larger = _larger(advice, offered, hardware)
    if larger is not None:
        found.append(larger)
    if settings.get("one_class"):
        trade = message("Each kind of defect by itself: tells them apart, but finds the rare ones less surely.")
        found.append(Alternative({"one_class": ""}, advice.minutes, advice.ms, trade))
    if settings.get("mirrored"):
        trade = message("One view a part: a quarter of the computing time, and scores that are less steady.")
        found.append(Alternative({"mirrored": False}, advice.minutes, advice.ms / _VIEWS, trade))
    elif task_of(task).mirrors == "same" and settings.get("augment") == "surface":
        trade = message("Four mirrored views a part: steadier scores for four times the computing time.")
        found.append(Alternative({"mirrored": True}, advice.minutes, advice.ms * _VIEWS, trade))
    return tuple(found)


def _network(network: str, advice: Advice, offered: TaskSurvey, hardware: Hardware) -> Alternative:
    """Return the alternative of another network with the same input."""
    settings, label = advice.settings, NETWORKS[network].label
    pretrained = NETWORKS[network].pretrained and hardware.weights and network.endswith("lite0")
    changed: dict[str, Any] = {
        "network": network,
        "pretrained": "imagenet" if pretrained else "",
        **({"options": {}} if settings.get("options") else {}),
        **({} if pretrained else {"freeze_stages": 0, "freeze_epochs": 0, "backbone_rate": 1.0}),
        **learning(offered.task, network, offered.total, pretrained=pretrained),
    }
    mine = part_ms(str(settings["network"]), settings["width"], settings["height"], hardware)
    ms = part_ms(network, settings["width"], settings["height"], hardware)
    trade = (
        message("{network} computes {times:.1f} times as long a part.", network=label, times=ms / mine)
        if ms > mine
        else message("{network} needs {share:.0f} % of the computing time a part.", network=label, share=100 * ms / mine)
    )
    if not pretrained:
        trade = message("{trade} It learns from nothing, which needs many more images.", trade=trade)
    return Alternative(changed, estimate_minutes({**settings, **changed}, offered.total, hardware), ms, trade)


def _larger(advice: Advice, offered: TaskSurvey, hardware: Hardware) -> Alternative | None:
    """Return the alternative of a larger input with the same network, if the machine can handle it."""
    settings = advice.settings
    now = _Input(int(settings["width"]), int(settings["height"]))
    side = _ladder(_LARGER * now.side)
    if side > (_LARGEST_GPU if hardware.gpu else _LARGEST) or not task_of(offered.task).sizing.larger:
        return None
    size = now.shrunk(side)
    changed = {"width": size.width, "height": size.height}
    trade = message("{width} x {height} px: shows smaller defects.", **changed)
    ms = part_ms(str(settings["network"]), size.width, size.height, hardware) * (_VIEWS if settings.get("mirrored") else 1)
    return Alternative(changed, estimate_minutes({**settings, **changed}, offered.total, hardware), ms, trade)
