"""Advice before a training, and the other ways to learn the same data with their price."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from inspector.core.message import Message, message
from inspector.core.registry import NETWORKS, STILL_STAGES, TASKS
from inspector.core.types import TaskName
from inspector.data.survey import TaskSurvey
from inspector.tasks.base import task_of
from inspector.training.costs import Hardware, estimate_minutes, part_ms
from inspector.training.sizing import LARGEST, MANY, USUAL_LARGEST, Input, ladder

VIEWS = 4  # mirrored views
_AVERAGE = 0.99
_LARGER = 1.4  # factor from which a larger input is worth mentioning


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
    `minutes` of training, `processor_minutes` of all cores together (0 if a graphics card computes), and `ms` of computing time
    per part are estimates for this machine.
    """

    settings: Mapping[str, Any]
    reasons: tuple[Message, ...]
    problems: tuple[Message, ...]
    minutes: float
    ms: float
    alternatives: tuple[Alternative, ...] = ()
    processor_minutes: float = 0.0

    @property
    def reason(self) -> Message:
        """All reasons and problems as one message."""
        return reduce(lambda first, then: message("{first} {then}", first=first, then=then), (*self.reasons, *self.problems))


def networks_for(task: TaskName, *, weights: bool) -> tuple[str, ...]:
    """Return the task's networks, the recommended one first (rule 1)."""
    advised = [name for name, entry in NETWORKS.items() if task in entry.tasks and entry.advised]
    found = sorted(advised or _made_for(task), key=lambda name: NETWORKS[name].advised)
    return tuple(found if weights else sorted(found, key=lambda name: not NETWORKS[name].from_nothing))


def _made_for(task: TaskName) -> list[str]:
    return [name for name, entry in NETWORKS.items() if task in entry.tasks]


def learning(task: TaskName, network: str, images: int, *, pretrained: bool) -> dict[str, Any]:
    """Return rates, weight average and frozen stages (rule 7)."""
    if not pretrained:
        return {"lr": TASKS[task].defaults.get("lr", 1e-3), "ema": _AVERAGE, **NETWORKS[network].from_nothing}
    sizing = task_of(task).sizing
    rates = (sizing.rates_of_many or sizing.rates) if images >= MANY else sizing.rates
    return {**rates, "ema": _AVERAGE, "freeze_stages": STILL_STAGES}


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
        found.append(Alternative({"mirrored": False}, advice.minutes, advice.ms / VIEWS, trade))
    elif settings.get("augment") == "surface" and _may_mirror(task, str(settings["network"])):
        trade = message("Four mirrored views a part: steadier scores for four times the computing time.")
        found.append(Alternative({"mirrored": True}, advice.minutes, advice.ms * VIEWS, trade))
    return tuple(found)


def _may_mirror(task: TaskName, network: str) -> bool:
    """Return whether mirrored views are worth offering. Inputs that are recommended have sides that allow them."""
    mirrors = task_of(task).mirrors
    return mirrors == "same" or (mirrors == "points" and NETWORKS[network].loss == "detection_points")


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
    times = advice.ms / mine  # tiles or mirrored views
    trade = (
        message("{network} computes {times:.1f} times as long a part.", network=label, times=ms / mine)
        if ms > mine
        else message("{network} needs {share:.0f} % of the computing time a part.", network=label, share=100 * ms / mine)
    )
    if not pretrained:
        trade = message("{trade} It learns from nothing, which needs many more images.", trade=trade)
    return Alternative(changed, estimate_minutes({**settings, **changed}, offered.total, hardware), times * ms, trade)


def _larger(advice: Advice, offered: TaskSurvey, hardware: Hardware) -> Alternative | None:
    """Return the alternative of a larger input with the same network, if the machine can handle it."""
    settings = advice.settings
    now = Input(int(settings["width"]), int(settings["height"]))
    side = ladder(_LARGER * now.side)
    if settings.get("tile") or side > (LARGEST if hardware.gpu else USUAL_LARGEST) or not task_of(offered.task).sizing.larger:
        return None
    size = now.shrunk(side)
    changed = {"width": size.width, "height": size.height}
    trade = message("{width} x {height} px: shows smaller defects.", **changed)
    ms = part_ms(str(settings["network"]), size.width, size.height, hardware) * (VIEWS if settings.get("mirrored") else 1)
    return Alternative(changed, estimate_minutes({**settings, **changed}, offered.total, hardware), ms, trade)
