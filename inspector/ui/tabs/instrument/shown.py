"""The thermal frame as it is shown: under conditions of a person's own, and less a reference. No Qt."""

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from inspector.cameras.base import reading_of
from inspector.core.errors import ConfigError
from inspector.core.types import Frame, Pixels
from inspector.imaging.files import read_radiometry
from inspector.imaging.image import AS_STORED, Scene
from inspector.imaging.measuring import PlacedTool, adjusted
from inspector.imaging.radiometric import Radiometry
from inspector.recipes.recipe import Recipe

_PAGE = re.compile(r"#(\d+)$")  # of a part that is one image of a file


class ShownFrame:
    """Turns a frame into the one to show. The last one is kept, so that the same question gives the same object.

    `problem`: why the conditions or the reference cannot be applied; the frame is then shown without them.
    """

    def __init__(self) -> None:
        self.scene = AS_STORED
        self.reference: Frame | None = None
        self.differs = False
        self.problem: ConfigError | None = None
        self._asked: tuple[object, ...] = ()
        self._frame: Frame | None = None
        self._source: Frame | None = None
        self._measured: Radiometry | None = None

    @property
    def conditions(self) -> tuple[object, ...]:
        """Under which the last frame is shown: the scene, the tools with an emissivity of their own, the reference."""
        return self._asked[2:]

    def of(self, frame: Frame, recipe: Recipe | None, placed: Sequence[PlacedTool]) -> Frame:
        """Return the frame to show in place of a frame in kelvin."""
        own = tuple(one for one in placed if one.emissivity is not None)
        reference = self.reference if self.differs else None
        asked = (frame, recipe, self.scene, own, reference)
        if len(self._asked) == len(asked) and all(a is b or a == b for a, b in zip(self._asked, asked, strict=True)):
            return self._frame or frame
        self._asked, self._frame, self.problem = asked, None, None
        try:
            shown = frame
            if own or self.scene != AS_STORED:
                kelvin, _ = adjusted(self._radiometry(frame), merged(self.scene, scene_of(recipe, frame.camera)), own)
                shown = replace(shown, pixels=kelvin)
            if reference is not None:
                shown = replace(shown, pixels=_less(shown, reference))
        except ConfigError as error:
            self.problem = error
            return frame
        self._frame = shown
        return shown

    def take(self, frame: Frame, recipe: Recipe | None, placed: Sequence[PlacedTool]) -> None:
        """Make this frame, under the conditions of now, the reference."""
        differs, self.differs = self.differs, False
        self.reference = self.of(frame, recipe, placed)
        self.differs = differs

    def stored(self, frame: Frame, recipe: Recipe | None) -> Scene:
        """Return the conditions that hold without a person's own: the recipe's, else the camera's. Raises ConfigError."""
        calibration = self._radiometry(frame).calibration
        camera = Scene(**{field.name: getattr(calibration, field.name) for field in fields(Scene)})
        return merged(scene_of(recipe, frame.camera), camera)

    def _radiometry(self, frame: Frame) -> Radiometry:
        if self._source is not frame:
            path = Path(frame.source)
            page = _PAGE.search(frame.part)
            found = read_radiometry(path, int(page.group(1)) - 1 if page else 0) if path.is_file() else None
            self._source, self._measured = frame, found
        if self._measured is None:
            raise ConfigError(
                "This picture does not hold a camera's raw values, so its emissivity and surroundings cannot be changed.",
                remedy="Open the file as the thermal camera saved it.",
            )
        return self._measured


def merged(first: Scene, then: Scene) -> Scene:
    """Return what is known of a scene: by the first, else by the second."""
    known = {field.name: getattr(first, field.name) for field in fields(Scene)}
    return replace(then, **{name: value for name, value in known.items() if value is not None})


def scene_of(recipe: Recipe | None, camera: str) -> Scene:
    """Return the conditions that the recipe sets for a camera."""
    known = recipe.cameras.get(camera) if recipe is not None else None
    return AS_STORED if known is None else reading_of(camera, known.options).scene


def _less(frame: Frame, reference: Frame) -> Pixels:
    if frame.pixels.shape != reference.pixels.shape:
        raise ConfigError(
            "The reference is {width} x {height} pixels, this picture is not.",
            remedy="Take a reference of the same camera.",
            width=reference.width,
            height=reference.height,
        )
    return frame.pixels - reference.pixels
