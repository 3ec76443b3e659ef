"""Who may import whom: the contracts hold, each of them bites, and what must stay light stays light."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ("gui", "run", "predict", "train", "evaluate", "explain", "data", "doctor", "archive", "bench", "worker")
HEAVY = ("torch", "torchvision", "PySide6", "pyqtgraph", "onnxruntime", "openvino")

needs_linter = pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="import-linter is not installed")
needs_qt = pytest.mark.skipif(importlib.util.find_spec("PySide6") is None, reason="Qt is not installed here")


def _python(code: str, *arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        timeout=90,
        check=False,
    )


def _lint(root: Path) -> "subprocess.CompletedProcess[str]":
    """Import-linter on the package in `root`, which comes before the one that is installed."""
    code = (
        "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    )
    return _python(code, cwd=root)


@needs_linter
def test_the_contracts_hold() -> None:
    result = _lint(ROOT)
    assert result.returncode == 0, result.stdout
    assert "3 kept, 0 broken" in result.stdout


@needs_linter
@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core.types", "import inspector.inspection.status", "one direction"),
        ("recipes.recipe", "import inspector.cameras.base", "one direction"),
        ("surprise", '"""A package that nobody placed in the layers."""', "one direction"),
        ("inspection.status", "import PySide6.QtCore", "Qt lives in ui"),
        ("cameras.base", "import pyqtgraph", "Qt lives in ui"),
        ("inspection.status", "import torch", "torch stays behind the worker"),
        ("ui.shell.strings", "def later():\n    import torch", "torch stays behind the worker"),
        ("cameras.base", "import inspector.ml", "torch stays behind the worker"),
    ],
)
def test_each_contract_bites(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copytree(ROOT / "inspector", tmp_path / "inspector", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    culprit = (tmp_path / "inspector").joinpath(*module.split(".")).with_suffix(".py")
    before = culprit.read_text("utf-8") if culprit.exists() else ""
    culprit.write_text(f"{before}\n\n{line}\n", "utf-8")
    result = _lint(tmp_path)
    assert result.returncode == 1, result.stdout
    assert f"{contract} BROKEN" in result.stdout
    assert module in result.stdout.partition("Broken contracts")[2]


@needs_linter
def test_no_imports_go_in_a_circle() -> None:
    """Imports inside functions count as well; those for the type checker alone do not."""
    code = (
        "import grimp, json, sys; sys.path.insert(0, '')\n"
        "graph = grimp.build_graph('inspector', cache_dir=None, exclude_type_checking_imports=True)\n"
        "print(json.dumps({name: sorted(graph.find_modules_directly_imported_by(name)) for name in graph.modules}))"
    )
    imports: dict[str, list[str]] = json.loads(_python(code, cwd=ROOT).stdout)
    assert "inspector.core.types" in imports["inspector.recipes.verdict"]
    assert len(tuple(TopologicalSorter(imports).static_order())) == len(imports)


def _loaded_by(code: str, *arguments: str) -> set[str]:
    """Which heavy packages a fresh process has loaded after running `code`."""
    result = _python(f"{code}\nimport sys\nprint('LOADED', *[n for n in {HEAVY!r} if n in sys.modules])", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    line = next(line for line in result.stdout.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


def test_the_probe_of_these_tests_sees_a_heavy_package() -> None:
    assert "onnxruntime" in _loaded_by("import onnxruntime")


@needs_qt
@pytest.mark.parametrize("parts", ["0", "3"], ids=["only opened", "after three parts"])
def test_the_windows_process_has_no_torch(parts: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if parts != "0":
        request.getfixturevalue("demo_bundles")
    picture = tmp_path / "window.png"
    code = "import sys; from inspector.cli.main import run; code = run(sys.argv[1:]); assert code == 0, code"
    loaded = _loaded_by(code, "gui", "--screenshot", str(picture), "--parts", parts, "--size", "1366x768")
    assert picture.stat().st_size > 10_000
    assert "PySide6" in loaded
    assert not loaded & {"torch", "torchvision"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)])
def test_help_needs_neither_qt_nor_torch(arguments: list[str]) -> None:
    code = "import sys; from inspector.cli.main import run; code = run(sys.argv[1:]); assert code == 0, code"
    assert not _loaded_by(code, *arguments)


def test_the_doctor_needs_neither_qt_nor_torch_in_its_process() -> None:
    loaded = _loaded_by("from inspector.cli.main import run; run(['doctor', '--json'])")
    assert not loaded & {"torch", "torchvision", "PySide6", "pyqtgraph"}


def test_the_station_and_prediction_need_neither_qt_nor_torch() -> None:
    loaded = _loaded_by(
        "import inspector.station.station, inspector.station.part_inspector, inspector.engines.base\n"
        "import inspector.recipes.verdict, inspector.cameras.base, inspector.tasks.base\n"
        "from inspector.core.registry import CAMERAS, ENGINES, TASKS\n"
        "[entry.load() for table in (CAMERAS, TASKS) for entry in table.values()]\n"
        "[ENGINES[name].load() for name in ('openvino', 'onnxruntime')]\n"
    )
    assert not loaded & {"torch", "torchvision", "PySide6", "pyqtgraph"}


def test_a_verdict_calls_no_server(demo_bundles: dict[str, Path]) -> None:
    """openvino's usage statistics start a process that sends to the internet as soon as openvino is imported."""
    code = (
        "import sys, psutil\n"
        "from pathlib import Path\n"
        "from inspector.bundles.bundle import Bundle\n"
        "from inspector.engines.base import open_engine\n"
        "with open_engine('openvino', Bundle.open(Path(sys.argv[1]))):\n"
        "    found = [name for name in sys.modules if 'telemetry' in name and 'stub' not in name and sys.modules[name]]\n"
        "    print('CALLS', [name for name in found if name.startswith('openvino_telemetry')], psutil.Process().children())"
    )
    done = _python(code, str(demo_bundles["window-state"]))
    assert "CALLS [] []" in done.stdout, done.stdout + done.stderr
