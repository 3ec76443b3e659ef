"""The guards in conftest.py must bite: each is shown a culprit."""

import importlib.util
from pathlib import Path

import pytest

from tests import environments
from tests.conftest import GRACE_S

GUARDED = Path(__file__).with_name("conftest.py").read_text("utf-8").replace(f"GRACE_S = {GRACE_S}", "GRACE_S = 0.2")

CULPRITS = {
    "log": ("import logging\ndef test_it():\n    logging.getLogger('x').warning('stray words')\n", "*stray words*"),
    "thread": (
        "import threading, time\ndef test_it():\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True, name='mine').start()\n",
        "*left behind: thread mine*",
    ),
    "process": (
        "import subprocess, sys\nkept = []\ndef test_it():\n"
        "    kept.append(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)']))\n",
        "*left behind: process*time.sleep(30)*",
    ),
    "warning": ("import warnings\ndef test_it():\n    warnings.warn('old ways', DeprecationWarning)\n", "*old ways*"),
    "widget": (
        "from PySide6.QtWidgets import QWidget\nkept = []\ndef test_it(qapp):\n    kept.append(QWidget())\n",
        "*left behind: widget QWidget*",
    ),
    "qt": (
        "from PySide6.QtCore import qWarning\ndef test_it(qapp):\n    qWarning('unhappy Qt')\n",
        "*unhappy Qt*",
    ),
}


@pytest.mark.parametrize("culprit", CULPRITS)
def test_a_guard_bites(pytester: pytest.Pytester, culprit: str) -> None:
    if culprit in ("widget", "qt") and importlib.util.find_spec("pytestqt") is None:
        pytest.skip("Qt is not installed here")
    code, expected = CULPRITS[culprit]
    pytester.makeconftest(GUARDED)
    pytester.makepyprojecttoml(
        "[tool.pytest.ini_options]\nmarkers = ['allow_logs(pattern): announced']\nqt_api = 'pyside6'\n"
        "qt_log_level_fail = 'WARNING'\nfilterwarnings = ['error']\n"
    )
    pytester.makepyfile(code)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([expected])


def test_an_announced_log_record_passes(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(GUARDED)
    pytester.makeini("[pytest]\nmarkers = allow_logs(pattern): announced\n")
    pytester.makepyfile(
        "import logging, pytest\n@pytest.mark.allow_logs('stray')\ndef test_it():\n    logging.warning('stray words')\n"
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


ENVIRONMENT = """
from pathlib import Path
from tests.environments import Environments, pytest_addoption

def pytest_configure(config):
    config.pluginmanager.register(Environments(Path(__file__).parent, missing={"a_package_that_nobody_has"}), "environments")
"""
ASKS = {
    "test_module.py": "from importlib.util import find_spec\nfind_spec('a_package_that_nobody_has')\ndef test_it(): ...\n",
    "test_skip.py": "import pytest\npytest.importorskip('a_package_that_nobody_has')\n",
    "test_fixture.py": (
        "import pytest, importlib.metadata\n@pytest.fixture(scope='module')\ndef known():\n    try:\n"
        "        return importlib.metadata.version('a_package_that_nobody_has')\n"
        "    except importlib.metadata.PackageNotFoundError:\n        return None\n"
        "def test_it(known):\n    pass\n"
    ),
    "test_process.py": "import subprocess, sys\ndef test_it():\n    subprocess.run([sys.executable, '-c', ''])\n",
}
INNOCENT = {"test_pure.py": "import json, subprocess\ndef test_it():\n    subprocess.run(['true'])\n"}


def test_what_runs_once_may_not_ask_what_is_installed(pytester: pytest.Pytester) -> None:
    """In the environment that lacks a package; a file elsewhere may ask."""
    pytester.makeconftest(ENVIRONMENT)
    for folder, files in (("core", {**ASKS, **INNOCENT}), ("cli", ASKS)):
        pytester.mkdir(folder)
        for name, code in files.items():
            pytester.path.joinpath(folder, name).write_text(code, "utf-8")
    options = ("-p", "no:cacheprovider", "--import-mode=importlib")
    result = pytester.runpytest_subprocess(*options, "--continue-on-collection-errors")
    result.assert_outcomes(passed=3 + 3, skipped=1, errors=4)
    lines = result.stdout.str()
    for reason in ("looks for a_package", "looks for the version of a_package", "starts a process of this program"):
        assert f"It {reason}" in lines
    left = pytester.runpytest_subprocess(*options, "--skip-what-runs-once")
    left.assert_outcomes(passed=3, skipped=1)


def test_every_file_that_runs_in_both_environments_is_there() -> None:
    assert [name for name in sorted(environments.IN_BOTH) if not (environments.FOLDER / name).is_file()] == []
    assert all((environments.FOLDER / name).is_dir() for name in environments.ONCE)
