"""The modules that build installers, which are programs of `packaging/installers` and no package."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "packaging" / "installers"


def build_module(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[ModuleType]:
    """Yield a module that builds in a folder of the test. Nothing of it stays imported."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(FOLDER))
    module = importlib.import_module(name)
    (folder / "build").mkdir()
    monkeypatch.setattr(module, "BUILD", folder / "build", raising=False)  # not every module writes there
    yield module
    for added in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[added], "__file__", "")):
            del sys.modules[added]
