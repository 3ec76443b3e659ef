"""Guards that every test runs under, and fixtures that more than one folder of tests needs.

A test fails if it logs a warning it did not announce (`@pytest.mark.allow_logs("regular expression")`), leaves a thread,
a child process or a top-level widget behind, changes how the process is scheduled, or causes a Python warning (see
`filterwarnings` in pyproject.toml) or a Qt warning. The core is tested without Qt too: where PySide6 is missing, `tests/ui` is
left out.
"""

import gc
import importlib.util
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

HAS_QT = importlib.util.find_spec("PySide6") is not None and importlib.util.find_spec("pytestqt") is not None
if HAS_QT:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

pytest_plugins = ["tests.environments", "tests.line_fixtures"]
collect_ignore = [] if HAS_QT else ["ui"]

ROOT = Path(__file__).resolve().parent.parent
GRACE_S = 15.0  # how long a thread or process may take to end after its test

# Threads that libraries keep for the life of the process.
_LIBRARY_THREADS = re.compile(r"^(tqdm|pytest_timeout|QueueFeederThread|ThreadPoolExecutor-|asyncio_|fsspecIO|pydevd|Dummy-)")
_LIBRARY_PROCESSES = ("resource_tracker", "forkserver")
_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know pytest-qt's settings where pytest-qt is not installed, so that pyproject.toml serves both runs."""
    if importlib.util.find_spec("pytestqt") is None:
        for name in ("qt_api", "qt_log_level_fail"):
            parser.addini(name, "of pytest-qt")
        parser.addini("qt_log_ignore", "of pytest-qt", type="linelist")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember a failure: the traceback keeps locals alive, so the guards then clean up without blaming."""
    report: Any = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="module", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests, and the processes they start, away from the bundles and settings of the user and of other files."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        _move_home(patch, home)
        yield


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a test an archive, bundles and settings that no other test has written to."""
    _move_home(monkeypatch, tmp_path / "home")


def _move_home(patch: pytest.MonkeyPatch, home: Path) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "LOCALAPPDATA", "APPDATA"):
        patch.setenv(variable, str(home / variable.lower()))


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(autouse=True)
def _no_unexpected_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail on WARNING and worse, unless announced by `@pytest.mark.allow_logs(pattern, ...)`."""
    collector = _Collector()
    logging.getLogger().addHandler(collector)
    yield
    logging.getLogger().removeHandler(collector)
    patterns = [pattern for marker in request.node.iter_markers("allow_logs") for pattern in marker.args]
    stray = [
        f"{record.levelname} {record.name}: {record.getMessage()}"
        for record in collector.records
        if not any(re.search(pattern, record.getMessage()) for pattern in patterns)
    ]
    if stray and not request.node.stash.get(_FAILED, False):
        pytest.fail("unexpected log records:\n" + "\n".join(stray), pytrace=False)


@pytest.fixture(autouse=True)
def _no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail on threads, child processes and top-level widgets that outlive the test."""
    threads, children, widgets, urgency = set(threading.enumerate()), set(_children()), _top_level(), _scheduling()
    yield
    if _scheduling() != urgency:  # what the tests start after it would inherit that, and starve the machine
        os.sched_setscheduler(0, urgency[0], os.sched_param(urgency[1]))
        pytest.fail(f"changed how this thread is scheduled from {urgency}", pytrace=False)
    leaked_widgets = [widget for widget in _settled(_top_level) if not any(widget is old for old in widgets)]
    leaks = [f"widget {type(widget).__name__} {widget.objectName()!r}" for widget in leaked_widgets]
    for widget in leaked_widgets:
        widget.close()
        widget.deleteLater()
    leaks += [
        f"thread {thread.name}"
        for thread in _wait_until_gone(lambda: [thread for thread in threading.enumerate() if _counts(thread, threads)])
    ]
    processes = _wait_until_gone(lambda: [child for child in _children() if child not in children])
    leaks += [f"process {child.pid} {_command(child)}" for child in processes]
    for child in processes:
        child.kill()
    if leaks and not request.node.stash.get(_FAILED, False):
        pytest.fail("left behind: " + "; ".join(leaks), pytrace=False)


def _scheduling() -> tuple[int, int]:
    """Return policy and priority of this thread; zeros where there is no such call."""
    if not hasattr(os, "sched_getscheduler"):
        return 0, 0
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority


def _counts(thread: threading.Thread, before: set[threading.Thread]) -> bool:
    dummy = isinstance(thread, threading._DummyThread)  # a thread that Qt or a library made: never leaves the list
    return thread not in before and not dummy and not _LIBRARY_THREADS.match(thread.name)


def _children() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [child for child in found if not any(name in _command(child) for name in _LIBRARY_PROCESSES) and _runs(child)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _wait_until_gone(find: Callable[[], list[Any]]) -> list[Any]:
    end = time.monotonic() + GRACE_S
    while (found := find()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def _application() -> Any:
    import sys

    widgets = sys.modules.get("PySide6.QtWidgets")
    return None if widgets is None else widgets.QApplication.instance()


def _top_level() -> list[Any]:
    application = _application()
    if application is None:
        return []
    # A menu or popup with a parent goes with its parent; the tool tip label is Qt's own and lives on.
    found = application.topLevelWidgets()
    return [widget for widget in found if widget.parent() is None and widget.metaObject().className() != "QTipLabel"]


def _settled(find: Callable[[], list[Any]]) -> list[Any]:
    """`find()` after deferred deletions were carried out; reference cycles are collected first if anything is left."""
    application = _application()
    if application is None:
        return []
    from PySide6.QtCore import QCoreApplication, QEvent

    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    if find():
        gc.collect()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return find()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs: `shared/data` beside the checkout, or INSPECTOR_REAL_DATA. Skips where it is missing."""
    folder = Path(os.environ.get("INSPECTOR_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "magnetic-tile").is_dir():
        pytest.skip(f"no real photographs at {folder} (set INSPECTOR_REAL_DATA to their folder)")
    return folder


@pytest.fixture(scope="session")
def demo_bundles() -> Mapping[str, Path]:
    """Folders of the shipped bundles by name. Skips where none is shipped."""
    from inspector.core.storage.paths import models
    from inspector.recipes.locate import find_bundles

    found = {folder.name: folder for folder in find_bundles(models())}
    if not found:
        pytest.skip("no bundles in models/")
    return found
