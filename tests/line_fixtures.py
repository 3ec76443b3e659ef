"""What more than one file of tests of the station starts from."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from inspector.inspection import program
from inspector.recipes.automatic import recipe_for
from inspector.recipes.recipe import Recipe
from tests.disks import disk_of
from tests.station.fakes import Behaviour, fake_engine, write_classifier


@pytest.fixture
def behaviour(monkeypatch: pytest.MonkeyPatch) -> Behaviour:
    """Of the engines that are opened, which are all fakes."""
    made = Behaviour()
    monkeypatch.setattr(program, "open_engine", fake_engine(made))
    return made


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """For the fake engines."""
    return str(write_classifier(tmp_path / "states"))


@pytest.fixture
def recipe(demo_bundles: Mapping[str, Path]) -> Recipe:
    """The smallest shipped bundle on the demo line's visible camera."""
    return recipe_for([demo_bundles["window-state"]], "simulated:visible", name="window")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB. Skips where none may be mounted."""
    with disk_of(tmp_path / "disk", "2m") as place:
        yield place
