"""Faults of cameras and engines: a triggered station in this process, with a real camera server and real engines."""

import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import psutil

from inspector.bench.faults.outcome import FaultCost, counted
from inspector.bench.faults.processes import fault_recipe, until
from inspector.cameras.demo.line import DemoLine
from inspector.core.errors import InspectorError
from inspector.core.registry import ENGINES, EngineEntry
from inspector.core.types import Floats, Inspection, Verdict
from inspector.engines.openvino_runtime import OpenVinoEngine
from inspector.imaging.preprocessing import Prepared
from inspector.inspection.status import CameraState, StationState
from inspector.recipes.recipe import Recipe
from inspector.results.sink import Sink
from inspector.station.station import Station

HANGING: Final = "hanging"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
_PERIOD = 0.03  # seconds between frames of the camera
_PICTURES = 60  # more than the station remembers to recognise old frames
_SETTLE = 1.0  # seconds until a fault has reached every frame that is under way

Damage = Callable[[Sequence[bytes], int], bytes]
_MANY_S: Final = 600.0  # longest time for very many frames
_HALF: Final = 0.5  # where in a frame
_ANOTHER: Final = 0.01  # change of scale that makes another size of every frame


class _Answers(Sink):
    """Keeps every verdict."""

    name = "answers"

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def take(self, inspection: Inspection) -> None:
        self.all.append((inspection.part, inspection.verdict.value))

    def wait_for(self, name: str) -> bool:
        """Wait for the verdict of a part; return whether it came within ten seconds."""
        return until(lambda: any(part == name for part, _ in self.all), 10.0)

    def reach(self, count: int) -> bool:
        """Wait for a number of verdicts; return whether they came in time."""
        return until(lambda: len(self.all) >= count)


@dataclass(slots=True)
class Line:
    """A running station in triggered mode, and its verdicts."""

    station: Station
    answers: _Answers

    def trigger(self, count: int, prefix: str) -> list[str]:
        """Trigger parts one after the other, each after the answer to the one before or ten seconds; return their names."""
        names = [f"{prefix}-{number}" for number in range(count)]
        for name in names:
            self.station.trigger(name)
            self.answers.wait_for(name)
        return names


@contextmanager
def triggered(recipe: Recipe) -> Iterator[Line]:
    """Run a recipe in triggered mode for the length of the block."""
    answers = _Answers()
    station = Station(recipe.model_copy(update={"mode": "triggered", "trigger_ms": 500.0}), sinks=[answers])

    def streams() -> bool:
        status = station.status
        if status.failure is not None:
            raise status.failure
        cameras = status.cameras.values()
        ready = all(camera.state is CameraState.STREAMING for camera in cameras) or not recipe_is_live(recipe)
        return status.state is StationState.RUNNING and ready

    station.start()
    try:
        if not until(streams):
            raise InspectorError("The station did not start.")
        yield Line(station, answers)
    finally:
        station.stop()


def recipe_is_live(recipe: Recipe) -> bool:
    """Return whether the recipe's cameras send frames without being asked."""
    return any(camera.source.startswith("http") for camera in recipe.cameras.values())


class MjpegCamera:
    """A camera that sends MJPEG over HTTP, with damage on demand: `damage(pictures, index)` returns the next frame's bytes."""

    def __init__(self) -> None:
        line = DemoLine(0, good=1.0)
        self._pictures = [cv2.imencode(".jpg", line.visible(index)[0][..., ::-1])[1].tobytes() for index in range(_PICTURES)]
        self.damage: Damage = true_frame
        self.period = _PERIOD
        self.closed = threading.Event()
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.source = f"http://127.0.0.1:{self._listener.getsockname()[1]}/live.mjpg"

    def __enter__(self) -> "MjpegCamera":
        self._begin(self._accept)
        return self

    def __exit__(self, *_reason: object) -> None:
        self.closed.set()
        for end in (self._listener, *self._clients):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has gone already
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def cut_connections(self) -> None:
        """End the connections, as a camera does that restarts."""
        for end in self._clients:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _begin(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                end, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(end)
            self._begin(partial(self._serve, end))

    def _serve(self, end: socket.socket) -> None:
        with end:
            try:
                end.recv(65536)
                end.sendall(_HEAD)
                index = 0
                while not self.closed.wait(self.period):
                    body = self.damage(self._pictures, index)
                    size = b"Content-Length: %d\r\n\r\n" % len(body)
                    end.sendall(b"--frame\r\nContent-Type: image/jpeg\r\n" + size + body + b"\r\n")
                    index += 1
            except OSError:
                return  # the station has closed the connection


def true_frame(pictures: Sequence[bytes], index: int) -> bytes:
    return pictures[index % len(pictures)]


def cut(pictures: Sequence[bytes], index: int, place: float = _HALF) -> bytes:
    """Cut the frame off, by default in half."""
    data = true_frame(pictures, index)
    return data[: int(len(data) * place)]


def garbled(pictures: Sequence[bytes], index: int, place: float = _HALF) -> bytes:
    """Overwrite bytes of the frame with markers that no JPEG holds there, by default in its middle."""
    data = bytearray(true_frame(pictures, index))
    at = int((len(data) - 24) * place)
    data[at : at + 24] = b"\xff\xc4\x00\x00\xff\xfe" * 4
    return bytes(data)


def resized(pictures: Sequence[bytes], index: int, place: float = _HALF) -> bytes:
    """Send the frame in another size."""
    image = np.asarray(cv2.imdecode(np.frombuffer(true_frame(pictures, index), np.uint8), cv2.IMREAD_COLOR))
    scale = 0.55 + 1.5 * place
    if abs(scale - 1) < _ANOTHER:
        scale += 2 * _ANOTHER  # its own size would be no damage
    return cv2.imencode(".jpg", cv2.resize(image, None, fx=scale, fy=scale))[1].tobytes()


def stale(pictures: Sequence[bytes], index: int) -> bytes:
    """Send the same frame for ever."""
    return pictures[0]


def alternating(pictures: Sequence[bytes], index: int) -> bytes:
    """Send two old frames in turn."""
    return pictures[index % 2]


def damaged_stream(bundle: Path, damage: Damage, *, triggers: int = 40) -> FaultCost:
    """Damage every frame of a camera for a while: each trigger gets one verdict, and none is OK meanwhile."""
    with MjpegCamera() as camera, triggered(fault_recipe(bundle, camera.source)) as line:
        names = line.trigger(8, "before")
        if not any(verdict == Verdict.OK.value for _, verdict in line.answers.all):
            raise InspectorError("No part was OK before the fault, so it can prove nothing.")
        camera.damage = damage
        time.sleep(_SETTLE)
        faulty = line.trigger(triggers, "faulty")
        camera.damage = true_frame
        time.sleep(_SETTLE)
        names += line.trigger(8, "after")
        line.station.stop()
        return counted([*names, *faulty], line.answers.all, untrue=set(faulty))


def damaged_at_random(bundle: Path, *, frames: int = 10_000) -> FaultCost:
    """Damage frame after frame, each in another way and place, until so many have a verdict: none is OK."""
    chance, answers = random.Random(0), _Answers()

    def damage(pictures: Sequence[bytes], index: int) -> bytes:
        return chance.choice((cut, garbled, resized))(pictures, index, chance.random())

    with MjpegCamera() as camera:
        station = Station(fault_recipe(bundle, camera.source), sinks=[answers])
        station.start()
        try:
            if not until(lambda: any(verdict == Verdict.OK.value for _, verdict in answers.all)):
                raise InspectorError("No part was OK before the fault, so it can prove nothing.")
            camera.damage, camera.period = damage, 0.001
            time.sleep(_SETTLE)
            true = len(answers.all)
            until(lambda: len(answers.all) >= true + frames, _MANY_S)
        finally:
            station.stop()
    untrue = answers.all[true:]
    wanted = {part for part, _ in untrue}
    return counted(wanted, untrue, untrue=wanted)


def lost_connections(bundle: Path, *, triggers: int = 60) -> FaultCost:
    """End the camera's connection again and again: every trigger gets one verdict."""
    with MjpegCamera() as camera, triggered(fault_recipe(bundle, camera.source)) as line:
        names: list[str] = []
        for number in range(triggers // 10):
            names += line.trigger(10, f"round-{number}")
            camera.cut_connections()
        line.station.stop()
        return counted(names, line.answers.all)


class HangingEngine(OpenVinoEngine):
    """OpenVINO, but the batch after `hang` was set does not come back until `release` is set."""

    hang: threading.Event
    release: threading.Event

    def start(self, batch: Prepared, *, beside: bool = False) -> Callable[[], Floats]:
        if self.hang.is_set():
            self.hang.clear()
            self.release.wait()
        return super().start(batch, beside=beside)


def hung_engine(bundle: Path, *, triggers: int = 30) -> FaultCost:
    """Let an engine hang: its part is NOT_INSPECTED, the engine is opened again, and its late answer is told to nobody."""
    HangingEngine.hang, HangingEngine.release = threading.Event(), threading.Event()
    target = f"{HangingEngine.__module__}:{HangingEngine.__qualname__}"
    ENGINES[HANGING] = EngineEntry(target, "OpenVINO that hangs", precisions=("fp32",))
    try:
        with triggered(fault_recipe(bundle, "simulated:visible", engine=HANGING)) as line:
            names = line.trigger(triggers // 2, "before")
            HangingEngine.hang.set()
            hung = line.trigger(1, "hung")
            names += line.trigger(triggers // 2, "after")
            HangingEngine.release.set()
            names += line.trigger(4, "late")
            line.station.stop()
            return counted([*names, *hung], line.answers.all, untrue=set(hung))
    finally:
        HangingEngine.release.set()
        del ENGINES[HANGING]


def killed_worker(bundle: Path, number: signal.Signals, *, triggers: int = 30) -> FaultCost:
    """Send the process that infers a signal that ends or freezes it, twice: every trigger gets one verdict."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with triggered(fault_recipe(bundle, "simulated:visible", engine="torch")) as line:
        names: list[str] = []
        for turn in range(3):
            names += line.trigger(triggers // 3, f"round-{turn}")
            for child in psutil.Process().children(recursive=True):
                if turn < 2 and child.pid not in before:
                    child.send_signal(number)
        line.station.stop()
        return counted(names, line.answers.all)


def changed_recipe(bundle: Path, *, parts: int = 300, changes: int = 6) -> FaultCost:
    """Change the recipe again and again while the line runs: every part has one verdict."""
    answers = _Answers()
    recipe = fault_recipe(bundle, "simulated:visible", options={"parts": parts, "rate": 60})
    station = Station(recipe, sinks=[answers])
    station.start()
    try:
        for number in range(1, changes + 1):
            answers.reach(parts * number // (changes + 1))
            station.apply(recipe.model_copy(update={"revision": 1 + number, "max_batch": 8 - number % 2}))
        station.wait(60.0)
    finally:
        station.stop()
    cost = counted({part for part, _ in answers.all}, answers.all)
    return FaultCost(parts, max(0, parts - cost.parts), cost.doubled)
