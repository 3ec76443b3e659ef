"""Which tests run in which environment.

The tests run in two environments: with everything installed, and without Qt and torch. What may differ between them runs in
both: commands, import guards, what asks whether a package is installed, and what starts a process of this program. The tests
of the folders in ONCE do none of this, but for the files IN_BOTH. Their answer is the same in both environments, so `.ci/run`
leaves them out of the first (`--skip-what-runs-once`) and runs them where Qt and torch cannot be reached at all. There a test
of these fails if it looks for a package that is missing, or starts such a process: its file then belongs to IN_BOTH.
"""

import importlib.util
import sys
from collections.abc import Collection, Generator, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parent
ONCE = ("archive", "bundles", "cameras", "core", "data", "imaging", "inspection", "recipes", "results", "station", "tasks")
IN_BOTH = frozenset(
    {
        "archive/test_approval.py",
        "archive/test_blocks.py",
        "archive/test_command.py",
        "archive/test_kill.py",
        "archive/test_line.py",
        "archive/test_places.py",
        "archive/test_reading.py",
        "archive/test_rejudging.py",
        "archive/test_server.py",
        "archive/test_tables.py",
        "bundles/test_bundle.py",
        "cameras/test_http.py",
        "cameras/test_video_kinds.py",
        "cameras/test_watched_ledger.py",
        "core/test_durable.py",
        "core/test_ed25519.py",
        "core/test_installed.py",
        "core/test_locks.py",
        "core/test_temporary.py",
        "core/test_untrusted.py",
        "imaging/test_pages.py",
        "inspection/test_codes.py",
        "station/test_counting.py",
        "station/test_heat_maps.py",
        "station/test_supervisor.py",
        "tasks/test_detection.py",
        "tasks/test_losses.py",
        "tasks/test_metrics.py",
        "tasks/test_points.py",
    }
)
# What the environment with everything has and the other lacks: the extras `train` and `oracles`, Qt, and what draws with it.
MISSING = frozenset({"PySide6", "shiboken6", "pyqtgraph", "pytestqt", "torch", "torchvision", "torchmetrics", "timm"})
MISSING |= {"nncf", "onnx", "onnxscript", "tensorboardX"}

_COUNT = pytest.StashKey[int]()
Collecting = Generator[None, pytest.CollectReport, pytest.CollectReport]


class _Watch(MetaPathFinder):
    """Notes who looks for a missing package, or starts a process of this program; finds nothing."""

    def __init__(self, missing: Collection[str]) -> None:
        self.seen: list[str] = []
        self._missing = missing

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self._missing:
            self.seen.append(f"looks for {fullname}")
        return None

    def find_distributions(self, context: object) -> Iterator[object]:
        name = getattr(context, "name", None)
        if name and name.partition("-")[0] in self._missing:
            self.seen.append(f"looks for the version of {name}")
        return iter(())

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take an audit event of the interpreter."""
        if event == "subprocess.Popen":
            executable, command = arguments[:2]
            if sys.executable in (executable, *(command if isinstance(command, list | tuple) else ())):
                self.seen.append("starts a process of this program")


class Environments:
    """The plugin: leaves tests out in one environment, and watches them in the other."""

    def __init__(self, folder: Path = FOLDER, *, missing: Collection[str] = MISSING) -> None:
        """`folder`: of the tests. `missing`: what one environment lacks; the plugin watches where none of it is installed."""
        self._folder = folder
        self._watch = _Watch(missing)
        if not any(importlib.util.find_spec(name) for name in missing):
            sys.meta_path.insert(0, self._watch)
            sys.addaudithook(self._watch.hear)

    def runs_once(self, path: Path) -> bool:
        """Return whether the tests of a file need no run where everything is installed."""
        if not path.is_relative_to(self._folder):
            return False
        name = path.relative_to(self._folder).as_posix()
        return name.partition("/")[0] in ONCE and name not in IN_BOTH

    @pytest.hookimpl
    def pytest_ignore_collect(self, collection_path: Path, config: pytest.Config) -> bool | None:
        is_test = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
        skips = config.getoption("--skip-what-runs-once") and is_test and self.runs_once(collection_path)
        return True if skips else None

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Collecting:
        before = len(self._watch.seen)
        report = yield
        if isinstance(collector, pytest.Module) and (blame := self._blame(collector.path, before)):
            report.outcome, report.longrepr = "failed", blame
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        item.stash[_COUNT] = len(self._watch.seen)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        yield
        if blame := self._blame(item.path, item.stash[_COUNT]):
            pytest.fail(blame, pytrace=False)

    def _blame(self, path: Path, before: int) -> str:
        """Return why a file must run in both environments although it is said to run once; "" if it need not."""
        news = sorted(set(self._watch.seen[before:]))
        if not news or not self.runs_once(path):
            return ""
        return f"It {', '.join(news)}, so its file belongs to IN_BOTH of tests/environments.py."


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--skip-what-runs-once", action="store_true", help="leave out what runs without Qt and torch only")


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin("environments"):
        config.pluginmanager.register(Environments(), "environments")
