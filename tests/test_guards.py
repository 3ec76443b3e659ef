"""The guards in conftest.py must bite: each is shown a culprit."""

import importlib.util
from pathlib import Path

import pytest

GUARDED = Path(__file__).with_name("conftest.py").read_text("utf-8").replace("GRACE_S = 5.0", "GRACE_S = 0.2")

CULPRITS = {
    "log": ("import logging\ndef test_it():\n    logging.getLogger('x').warning('stray words')\n", "*stray words*"),
    "thread": (
        "import threading, time\ndef test_it():\n"
        "    threading.Thread(target=time.sleep, args=(3,), daemon=True, name='mine').start()\n",
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
