"""Sources of the review page (files or the demo line), and the recipe that fits them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from inspector.cameras.base import reading_of, stamp
from inspector.cameras.sequence import FrameSequence, open_sequence
from inspector.core.errors import ConfigError
from inspector.core.types import Annotation, Frame, Pixels, Unit
from inspector.imaging.files import image_files
from inspector.inspection.run_request import camera_for
from inspector.recipes.automatic import CAMERA, only_camera
from inspector.recipes.recipe import Recipe

DEMO_PARTS: Final = 200
PROBED: Final = 8  # number of first frames tried to find out whether they are temperatures


@dataclass(frozen=True, slots=True)
class Material:
    """A source and its recipe.

    `path` None: the demo line. `recipe` None: the parts are shown and not judged. `base`: the recipe's folder.
    """

    path: Path | None
    recipe: Recipe | None = None
    base: Path | None = None


class Parts(Protocol):
    """Parts by number, for use by a single thread."""

    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def source(self, index: int) -> str: ...
    def truth(self, index: int) -> str:
        """Return what the part is, by the name of the folder it lies in; "" if unknown."""
        ...

    def frames(self, index: int) -> Mapping[str, Frame]:
        """Return the frames of a part by camera name. Raises ConfigError if they cannot be read."""
        ...

    def close(self) -> None: ...


class FileParts:
    """Parts of a sequence, one frame each."""

    def __init__(self, sequence: FrameSequence, camera: str) -> None:
        self._sequence = sequence
        self._camera = camera

    def __len__(self) -> int:
        return len(self._sequence)

    def name(self, index: int) -> str:
        return self._sequence.name(index)

    def source(self, index: int) -> str:
        return self._sequence.name(index)

    def truth(self, index: int) -> str:
        return PurePosixPath(self._sequence.name(index)).parent.name

    def frames(self, index: int) -> Mapping[str, Frame]:
        return {self._camera: self._sequence.frame(index)}

    def close(self) -> None:
        self._sequence.close()


class DemoParts:
    """Parts of the demo line, seen by the recipe's cameras."""

    def __init__(self, recipe: Recipe, *, count: int = DEMO_PARTS) -> None:
        from inspector.cameras.demo.line import DemoLine

        self._cameras = {name: camera.source.endswith(":thermal") for name, camera in recipe.cameras.items()}
        seeds = (camera.options.get("seed", 0) for camera in recipe.cameras.values())
        self._line = DemoLine(int(next(seeds, 0)))
        self._count = count

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        return f"P{index:06d}"

    def source(self, index: int) -> str:
        return "simulated"

    def truth(self, index: int) -> str:
        return ""

    def frames(self, index: int) -> Mapping[str, Frame]:
        return {camera: self._frame(camera, index, thermal) for camera, thermal in self._cameras.items()}

    def close(self) -> None:
        """Do nothing, since nothing is open."""

    def _frame(self, camera: str, index: int, thermal: bool) -> Frame:
        look: Callable[[int], tuple[Pixels, Annotation]] = self._line.thermal if thermal else self._line.visible
        pixels, truth = look(index)
        return stamp(
            pixels,
            camera,
            index,
            unit="kelvin" if thermal else "intensity",
            part=self.name(index),
            source="simulated:thermal" if thermal else "simulated:visible",
            truth=truth,
            is_simulated=True,
        )


def open_parts(material: Material) -> tuple[Parts, Recipe | None]:
    """Return the parts, and the recipe reduced to the camera they can come from. Raises ConfigError.

    A folder without images of its own is read with its subfolders.
    """
    if material.path is None:
        if material.recipe is None:
            raise ConfigError("The demo line needs a recipe.", remedy="Choose one.")
        return DemoParts(material.recipe), material.recipe
    deep = _has_only_subfolders(material.path)
    recipe = material.recipe
    if recipe is None:
        return FileParts(open_sequence(material.path, camera=CAMERA, recursive=deep), CAMERA), None
    if len(recipe.cameras) > 1:
        sequence = open_sequence(material.path, recursive=deep)
        recipe = only_camera(recipe, camera_for(recipe, material.base, _unit(sequence)))
        sequence.close()
    (camera,) = recipe.cameras
    how = reading_of(camera, recipe.cameras[camera].options)
    return FileParts(open_sequence(material.path, camera=camera, recursive=deep, how=how), camera), recipe


def _has_only_subfolders(path: Path) -> bool:
    try:
        return path.is_dir() and not image_files(path, masks=False)
    except OSError:  # said when it is opened
        return False


def _unit(sequence: FrameSequence) -> Unit:
    """Return the unit of the first readable frame."""
    for index in range(min(len(sequence), PROBED)):
        try:
            return sequence.frame(index).unit
        except ConfigError:
            continue
    return "intensity"
