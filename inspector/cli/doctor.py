"""`inspector doctor`: a report of what works on this machine."""

import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from threading import Event, Timer

import click

from inspector import __version__
from inspector.bundles.bundle import Bundle
from inspector.cli.support.lines import say, say_json
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.installed import installation
from inspector.core.registry import CAMERAS, ENGINES, NETWORKS
from inspector.core.storage.paths import models, resources, user_data
from inspector.core.text import one_line
from inspector.recipes.locate import find_bundles
from inspector.tuning import self_test as engines_test
from inspector.tuning.store import this_processor

PACKAGES = ("numpy", "opencv-python-headless", "pydantic", "PySide6-Essentials", "pyqtgraph")
TRAIN_HINT = "For training, Grad-CAM and the torch engines install the extra `train` (./packaging/run.sh --with train)."
PACK_HINT = "For training, Grad-CAM and the torch engines install the training pack, {file}."
GPU_HINT = "For an NVIDIA card install the extra `gpu` (./packaging/run.sh --with gpu)."
RESTARTS = "restarts.log"  # written by the service that keeps the station running, a line for each restart
LOW_DISK = 2 * 1024**3
FULL_DISK = 200 * 1024**2
CHILD_TIMEOUT_S = 60.0
CAMERA_TIMEOUT_S = 10.0


class Status(StrEnum):
    OK = "ok"
    NOTE = "note"  # not needed for the demo line, or only slower without it
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was checked, its state, and the remedy."""

    check: str
    status: Status
    text: str
    remedy: str = ""


Check = Callable[[], Iterator[Finding]]


def _ok(check: str, text: str) -> Finding:
    return Finding(check, Status.OK, text)


def _note(check: str, text: str, remedy: str = "") -> Finding:
    return Finding(check, Status.NOTE, text, remedy)


def _problem(check: str, text: str, remedy: str = "") -> Finding:
    return Finding(check, Status.PROBLEM, text, remedy)


def _error(check: str, error: InspectorError, status: Status = Status.PROBLEM) -> Finding:
    return Finding(check, status, error.problem.text, error.remedy.text if error.remedy else "")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def program() -> Iterator[Finding]:
    """Yield this program, Python, the operating system and the required packages."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} processor cores"
    yield _ok("program", f"inspector {__version__}, Python {platform.python_version()}, {system}")
    installed = installation()
    if installed is not None:
        licenses = installed.folder / "licenses"
        yield _ok("installation", f"{installed.folder}, commit {installed.commit[:12]}; licences of what it brings: {licenses}")
    missing = [name for name in PACKAGES if not _version(name)]
    yield _ok("packages", ", ".join(f"{name} {_version(name)}" for name in PACKAGES if name not in missing))
    for name in missing:
        yield _problem("packages", f"{name} is not installed.", "Set the program up again (./packaging/run.sh).")
    torch = _version("torch")
    if torch:
        yield _ok("training", f"torch {torch}, torchvision {_version('torchvision') or 'is missing'}; {len(NETWORKS)} networks")
    else:
        yield _note("training", "torch is not installed; inspecting works without it.", _train_hint())


def _train_hint() -> str:
    installed = installation()
    return TRAIN_HINT if installed is None else PACK_HINT.format(file=installed.training_pack)


def restarts() -> Iterator[Finding]:
    """Yield how often the service manager had to start the station again, and why the last time."""
    try:
        lines = (user_data() / RESTARTS).read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    if lines:
        when, _, reason = lines[-1].partition(" ")
        times = "once" if len(lines) == 1 else f"{len(lines)} times"
        yield _note("restarts", f"The station was started again {times}, the last time on {when} ({reason}).")


def bundles() -> Iterator[Finding]:
    """Yield every shipped bundle and every bundle of this user, with all its hashes."""
    shipped = find_bundles(models())
    if not shipped:
        yield _problem("bundle", f"No bundle is in {models()}.", "Get the whole program again: the demo line needs them.")
    for folder in [*shipped, *find_bundles(user_data() / "bundles")]:
        try:
            card = Bundle.open(folder).card
        except ConfigError as error:
            yield _error("bundle", error)
            continue
        size = card.input
        yield _ok("bundle", f"{card.name}: {card.task}, {card.network} at {size.width} x {size.height}, all files as made")


def recipes() -> Iterator[Finding]:
    """Yield every shipped recipe: whether it is valid, and whether its bundles exist."""
    from inspector.recipes.locate import find_bundle
    from inspector.recipes.recipe import load_recipe

    for path in sorted((resources() / "recipes").glob("*.toml")):
        try:
            recipe = load_recipe(path)
            for step in recipe.inspect:
                find_bundle(step.bundle, path.parent)
        except InspectorError as error:
            yield _error(f"recipe {path.stem}", error)
        else:
            yield _ok(f"recipe {path.stem}", f"{len(recipe.cameras)} cameras, {len(recipe.inspect)} inspections")


def engines() -> Iterator[Finding]:
    """Yield the result of the self-test on every engine, and keep it: an engine that fails it does not judge here.

    The test runs the smallest shipped bundle on its own reference images; its exported graph was compared with the trained
    network when it was made.
    """
    try:
        test = engines_test.run(this_processor())
    except ConfigError as error:
        yield _error("engine", error)
        return
    if test is not None:
        engines_test.keep(test)
    for name, entry in ENGINES.items():
        check, package = f"engine {name}", entry.software[0]
        version = _version(package)
        found = None if test is None else test.of(name)
        if not version:
            remedy = {"train": _train_hint(), "gpu": GPU_HINT}.get(entry.extra, f"Install {package}.")
            yield Finding(check, Status.NOTE if entry.extra else Status.PROBLEM, f"{package} is not installed.", remedy)
        elif test is None or found is None:
            why = "there is no bundle to run" if test is None else "a bundle is exported for it first"
            yield _note(check, f"{package} {version}, not tried: {why}")
        elif found.problem is not None:
            yield _problem(check, f"{package} {version}: {found.problem.text}", found.remedy.text if found.remedy else "")
        else:
            text = (
                f"{package} {version} runs {test.bundle} in {found.milliseconds:.1f} ms; {found.images} reference images agree"
            )
            yield _ok(check, text)


def gpus() -> Iterator[Finding]:
    """Yield the graphics processors that an engine or training could use."""
    found = []
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        code, output = _child(query)
        found = [line.strip() for line in output.splitlines() if line.strip()] if code == 0 else []
        if code:
            yield _note("gpu", "nvidia-smi is here but does not answer.", "Install or repair the NVIDIA driver.")
    for line in found:
        yield _ok("gpu", line)
    if _version("openvino"):
        core = importlib.import_module("openvino").Core()
        names = {device: str(core.get_property(device, "FULL_DEVICE_NAME")) for device in core.available_devices}
        yield _ok("gpu", "OpenVINO runs on " + ", ".join(f"{device} ({name})" for device, name in names.items()))
        found += [device for device in names if device.startswith(("GPU", "NPU"))]
    if not found:
        yield _note("gpu", "None was found; everything runs on the processor.")


def cameras() -> Iterator[Finding]:
    """Yield the kinds of source, and the USB cameras that deliver a frame."""
    for kind, entry in CAMERAS.items():
        try:
            entry.load()
        except InspectorError as error:
            yield _error(f"camera {kind}", error)
    yield from _first_frame("camera simulated", "simulated:visible")
    yield from _decoders()
    devices = [int(path.name[5:]) for path in sorted(Path("/dev").glob("video*")) if path.name[5:].isdigit()]
    if sys.platform != "linux":
        devices = [0, 1]
    seen = 0
    for device in devices:
        for finding in _first_frame(f"camera usb:{device}", f"usb:{device}", Status.NOTE):
            seen += finding.status is Status.OK
            if finding.status is Status.OK or sys.platform == "linux":
                yield finding
    if not seen:
        yield _note(
            "camera usb", "No USB camera gives a picture.", "Connect one, or check its permission (group video on Linux)."
        )


def _decoders() -> Iterator[Finding]:
    import cv2

    names = {cv2.videoio_registry.getBackendName(backend) for backend in cv2.videoio_registry.getStreamBackends()}
    if "FFMPEG" in names:
        yield _ok("camera video", "video files and network streams can be decoded (FFmpeg)")
    else:
        yield _problem("camera video", "OpenCV was built without FFmpeg.", "Install opencv-python-headless again.")


def _first_frame(check: str, source: str, otherwise: Status = Status.PROBLEM) -> Iterator[Finding]:
    from inspector.cameras.base import open_camera
    from inspector.core.errors import CameraError

    stop = Event()
    timer = Timer(CAMERA_TIMEOUT_S, stop.set)
    timer.start()
    try:
        frames = open_camera(check, source).frames(stop)
        frame = next(iter(frames), None)
        close = getattr(frames, "close", None)
        if close is not None:
            close()
    except (CameraError, ConfigError) as error:
        yield _error(check, error, otherwise)
        return
    finally:
        timer.cancel()
        timer.join()
    if frame is None:
        yield Finding(check, otherwise, "It opened but gave no frame.", "Pull it out and plug it in again.")
    else:
        yield _ok(check, f"gives frames of {frame.width} x {frame.height}")


def window() -> Iterator[Finding]:
    """Yield whether Qt starts, the screens it sees, and the fonts."""
    if not _version("PySide6-Essentials"):
        return
    headless = sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    environment = {"QT_QPA_PLATFORM": "offscreen"} if headless else {}
    code, output = _child([sys.executable, "-P", "-m", "inspector.ui.shell.diagnostics.probe"], environment)
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if code or not lines:
        said = next((line.strip() for line in output.splitlines() if line.strip()), f"exit code {code}")
        remedy = "Install Qt's system libraries (see resources/manual/troubleshooting.md)."
        yield _problem("window", f"Qt does not start here: {said}.", remedy)
        return
    found = json.loads(lines[-1])
    if headless:
        yield _note(
            "window", f"Qt {found['qt']} starts, but there is no display.", "Use `inspector run` here, or a desktop session."
        )
    else:
        screens = ", ".join(f"{one['name']} {one['width']} x {one['height']} at {one['scale']:g}" for one in found["screens"])
        yield _ok("window", f"Qt {found['qt']} on {found['platform']}: {screens or 'no screen'}")
    shipped = sorted(file.stem for file in (resources() / "fonts").glob("*.[ot]tf"))
    if shipped:
        yield _ok("fonts", f"{', '.join(shipped)} ship with the program; {found['families']} families on this system")
    else:
        yield _problem("fonts", "The program's own fonts are missing.", "Install the program again.")


def _child(command: list[str], environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Return the exit code and the combined output of another program; 1 and a sentence if it does not start or end."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            timeout=CHILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def disk() -> Iterator[Finding]:
    """Yield free space and write permission of the folders for bundles, runs and reports."""
    folder = user_data()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 1024**3:.1f} GB free for {folder}"
    if not os.access(existing, os.W_OK):
        yield _note("disk", f"{folder} cannot be written.", "Name folders yourself with --out, or repair the permission.")
    elif free < FULL_DISK:
        yield _problem("disk", text + ".", "Free some space.")
    elif free < LOW_DISK:
        yield _note("disk", text + ".", "Reports and bundles will soon need more.")
    else:
        yield _ok("disk", text)


CHECKS: tuple[Check, ...] = (program, bundles, recipes, engines, gpus, cameras, window, disk, restarts)
SELF_TEST: tuple[Check, ...] = (program, bundles, recipes, engines)


def findings(checks: Sequence[Check]) -> Iterator[Finding]:
    """Yield every finding of these checks. A check that raises is reported as a problem, and the others still run."""
    for check in checks:
        try:
            yield from check()
        except InspectorError as error:
            yield _error(check.__name__, error)
        except Exception as error:  # noqa: BLE001 - the doctor tells what is broken, whatever it is
            yield _problem(check.__name__, f"{type(error).__name__}: {error}.", "Install the program again, or report this.")


_MARKS = {
    Status.OK: click.style("ok     ", fg="green"),
    Status.NOTE: "note   ",
    Status.PROBLEM: click.style("PROBLEM", fg="red"),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line and nothing else.")
@click.option("--self-test", is_flag=True, help="Only what an installer asks: packages, bundles, recipes and engines.")
def doctor(as_json: bool, self_test: bool) -> int:
    """Say what works on this machine: engines, bundles, cameras, GPUs, displays.

    Exit code 1 if something is broken that the demo line needs.
    """
    counts = dict.fromkeys(Status, 0)
    for finding in findings(SELF_TEST if self_test else CHECKS):
        counts[finding.status] += 1
        if as_json:
            say_json(asdict(finding))
        else:
            click.echo(f"{_MARKS[finding.status]}  {one_line(f'{finding.check:<20} {finding.text} {finding.remedy}').rstrip()}")
    if as_json:
        say_json({"summary": {status.value: count for status, count in counts.items()}})
    elif counts[Status.PROBLEM]:
        say(f"{counts[Status.PROBLEM]} of these must be put right before everything works.")
    else:
        say("Everything that is needed works.")
    return 1 if counts[Status.PROBLEM] else 0
