"""Ours, learnt by advice alone, beside a peer with its own defaults: the same images, processor time and judge."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from inspector import __version__
from inspector.bench.peers.budget import ProcessorTime, core_share
from inspector.bench.peers.judging import judged
from inspector.bench.peers.known import EACH, FIGURES, PEERS, Peer, check_installed
from inspector.bench.peers.order import Learnt, Order, read_answer, read_learnt, write_order
from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import JobError, StorageError
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Answer, Json, TaskName
from inspector.data.samples import Sample
from inspector.data.survey import Survey
from inspector.engines.base import open_engine
from inspector.ml.evaluate import predict_items, sample_items
from inspector.runs.folder import create_run
from inspector.runs.report import Interval
from inspector.runs.settings import TrainSettings, train_settings
from inspector.training.alternatives import Advice
from inspector.training.costs import class_speed, instructions_speed, this_machine
from inspector.training.recommend import recommend
from inspector.training.state import settle_run
from inspector.workers.jobs import TrainJob
from inspector.workers.messages import Progress, WorkerMessage
from inspector.workers.process import End, WorkerProcess

ENGINE = "openvino"
_THREADS = 1  # so that processor minutes are those that the same work takes alone
_POLL_S = 0.2
_BEFORE_S = 15.0  # processor time of a training before its first epoch, about
_GRACE_S = 900.0  # processor seconds for what comes after learning
_LAST_LINES = 12
_TOLERANCE = 1.1  # of the budget: a last validation, and what passes between two looks
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison.

    `learning_min`: processor minutes of all its processes until it had learnt; `all_min`: with what it did after that. Ours
    then also calibrates, tests, exports and reports. `images_s`: test images a processor second, one after the other.
    `images`: readable ones of each part.
    """

    name: str
    settings: Mapping[str, Json]
    versions: Mapping[str, str]
    images: Mapping[str, int]
    epochs: int
    learning_min: float
    all_min: float
    images_s: float
    figures: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides on one task. `judged`: test images that both answered, by which they are compared."""

    task: TaskName
    minutes: float
    seed: int
    judged: int
    classes: tuple[str, ...]
    ours: Side
    peer: Side

    @property
    def ahead(self) -> bool:
        """Whether ours is better in the most important figure."""
        name = FIGURES[self.task][0]
        return self.ours.figures[name].value > self.peer.figures[name].value

    @property
    def over_budget(self) -> tuple[str, ...]:
        """Names of the sides that learnt for more than the budget: a first epoch is always finished."""
        sides = (self.ours, self.peer)
        return tuple(side.name for side in sides if side.learning_min > _TOLERANCE * self.minutes)


def peer_advice(found: Survey, task: TaskName, minutes: float) -> Advice:
    """Return the advice for a training of `minutes` on one core of a machine like this one."""
    hardware = replace(this_machine(), cores=1, speed=class_speed(1, instructions_speed()), gpu="", gpus=0)
    return recommend(found, task, takt_s=None, hardware=hardware, time_s=60 * minutes)


def compare(data: Path, found: Survey, task: TaskName, *, minutes: float, seed: int, tell: Tell) -> Comparison:
    """Let both sides learn from `data`, surveyed as `found`, in `minutes` of processor time each, and judge both.

    Raises ConfigError (data, packages) or JobError (one side failed).
    """
    check_installed(task)
    with temporary_folder() as folder:
        settings = _settings(data, found, task, folder / "ours", minutes=minutes, seed=seed)
        learning_s, all_s = _learn(settings, 60 * minutes, tell)
        bundle = Bundle.open(folder / "ours")
        order = Order(settings=settings.model_dump(mode="json"), bundle=bundle.folder, budget_s=60 * minutes, seed=seed)
        place = folder / "peer"
        place.mkdir()
        write_order(place, order)
        peer_s = run_peer(PEERS[task], place, 60 * minutes, tell)
        learnt, test = read_learnt(place), order.parts()["test"]
        tell("judging")
        answers, images_s = _answers(bundle, test)
        both = {index: answer for index, answer in answers.items() if read_answer(place, index, bundle.card) is not None}
        ours = judged(bundle.card, test, both.get)
        theirs = judged(bundle.card, test, lambda index: read_answer(place, index, bundle.card) if index in both else None)
        return Comparison(
            task,
            minutes,
            seed,
            len(both),
            bundle.card.classes,
            _our_side(bundle.card, settings, learning_s, all_s, images_s, _chosen(ours.intervals(), bundle.card)),
            _peer_side(PEERS[task], learnt, peer_s, _chosen(theirs.intervals(), bundle.card)),
        )


def _settings(data: Path, found: Survey, task: TaskName, out: Path, *, minutes: float, seed: int) -> TrainSettings:
    """Return the recommended settings, with one thread, and the time that the budget takes by the clock now."""
    advice = peer_advice(found, task, minutes)
    limit = max(1.0, 60 * minutes - _BEFORE_S) / core_share()
    own = {"task": task, "data": data.resolve(), "out": out, "seed": seed, "threads": _THREADS}
    return train_settings({**advice.settings, **own, "time_limit": limit})


def _learn(settings: TrainSettings, budget_s: float, tell: Tell) -> tuple[float, float]:
    """Train ours, and end its learning when the budget is spent; return the processor seconds of learning, and of everything.

    Raises the error that the training ended with.
    """
    learnt = False

    def hear(message: WorkerMessage) -> None:
        nonlocal learnt
        learnt = learnt or (isinstance(message, Progress) and message.phase == "test")

    folder = create_run(settings)
    job = TrainJob(settings=settings.model_copy(update={"run": folder}).model_dump(mode="json"))
    process = WorkerProcess(job, listener=hear)
    spent, learning_s, stopped = ProcessorTime(process.pid), 0.0, False
    try:
        while process.wait(_POLL_S) is None:
            used = spent.seconds()
            if not learnt:
                learning_s = used
            if used >= budget_s and not stopped and not learnt:
                process.stop()
                stopped = True
            tell(f"ours: {used / 60:.1f} min of processor time{', measuring' if learnt else ''}")
    finally:
        outcome = process.close()
        with suppress(StorageError):
            settle_run(folder, outcome)
    if outcome.end is not End.SUCCEEDED:
        raise outcome.error()
    return learning_s, spent.seconds()


def run_peer(peer: Peer, folder: Path, budget_s: float, tell: Tell) -> float:
    """Run a peer's process in `folder` and return its processor seconds. Raises JobError if it fails or does not end."""
    command = [sys.executable, "-P", "-m", peer.module, str(folder)]
    log = folder / "log.txt"
    with log.open("wb") as said:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=_quiet(folder))
    spent = ProcessorTime(process.pid)
    try:
        while process.poll() is None:
            used = spent.seconds()
            if used > budget_s + _GRACE_S:
                raise JobError("{peer} did not end with its budget.", peer=peer.name)
            tell(f"{peer.name}: {used / 60:.1f} min of processor time")
            time.sleep(_POLL_S)
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        lines = log.read_text("utf-8", "replace").strip().splitlines()[-_LAST_LINES:]
        raise JobError("{peer} failed: {detail}", peer=peer.name, detail=(lines or ["without a word"])[-1])
    return spent.seconds()


def _quiet(folder: Path) -> dict[str, str]:
    """Return the environment of a peer's process: it sends nothing, installs nothing, and keeps its files in `folder`."""
    root = str(Path(__file__).resolve().parents[3])
    own = {
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(folder),
        "MPLCONFIGDIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "WANDB_MODE": "disabled",
        "OMP_NUM_THREADS": str(_THREADS),
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONUTF8": "1",
    }
    return {**os.environ, **own, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}


def _answers(bundle: Bundle, samples: Sequence[Sample]) -> tuple[dict[int, Answer], float]:
    """Return our answer to every readable test image by its place, and the images in a processor second."""
    found: dict[int, Answer] = {}
    used, count = 0.0, 0
    with open_engine(ENGINE, bundle, threads=_THREADS) as opened:
        for index, sample in enumerate(samples):
            for item in sample_items([sample], bundle.card, problems=[]):
                began = time.process_time()
                ((_, prediction),) = predict_items(opened.infer, bundle.card, [item])
                if found:  # the first call also prepares the network
                    used, count = used + time.process_time() - began, count + 1
                found[index] = prediction.answer
    return found, count / used if used else 0.0


def _chosen(intervals: Mapping[str, Interval], card: Card) -> dict[str, Interval]:
    task = card.task
    names = [*FIGURES[task], *(f"{EACH[task]}/{name}" for name in card.classes)]
    return {name: intervals[name] for name in names}


_TOLD = ("network", "width", "height", "pretrained", "epochs", "batch", "lr", "augment", "piece", "tile", "freeze_stages")


def _our_side(
    card: Card,
    settings: TrainSettings,
    learning_s: float,
    all_s: float,
    images_s: float,
    figures: Mapping[str, Interval],
) -> Side:
    values = settings.model_dump(mode="json")
    told = {name: values[name] for name in (*_TOLD, "one_class", "threads") if values[name] not in ("", 0, None)}
    versions = {"inspector": __version__, **{name: metadata.version(name) for name in ("torch", "openvino")}}
    images = {part: int(card.dataset[part]) for part in ("train", "val", "test")}
    epochs = int(card.training["epochs_done"])
    return Side("ours", told, versions, images, epochs, learning_s / 60, all_s / 60, images_s, figures)


def _peer_side(peer: Peer, learnt: Learnt, all_s: float, figures: Mapping[str, Interval]) -> Side:
    return Side(
        peer.name,
        dict(learnt.settings),
        dict(learnt.versions),
        dict(learnt.images),
        learnt.epochs,
        learnt.learning_s / 60,
        max(all_s, learnt.learning_s) / 60,
        learnt.images_s,
        figures,
    )
