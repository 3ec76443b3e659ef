"""A small bundle that every engine can run, made once."""

from pathlib import Path

import pytest

from tests.untrained import write_untrained


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classification bundle of three states with random weights, whose scores differ from frame to frame."""
    folder = tmp_path_factory.mktemp("bundles") / "states"
    return write_untrained(folder, mean=(100.0,) * 3, std=(20.0,) * 3, thresholds={"score": 0.345}).folder
