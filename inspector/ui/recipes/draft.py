"""A recipe under construction: values that need not be valid yet, and what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from inspector.cameras.base import is_live
from inspector.inspection.recipe_check import RecipeCheck, Size, check_recipe
from inspector.recipes.recipe import Recipe

Values = dict[str, Any]


class RecipeDraft(QObject):
    """The values as a file would hold them. `changed`: a value or what is known of the frames changed."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.values: Values = {"name": "", "cameras": {}, "inspect": [], "rules": []}
        self.base: Path | None = None
        self.check = RecipeCheck()
        self._origin = _copy(self.values)
        self._sizes: dict[str, Size] = {}

    def open(self, recipe: Recipe | None, base: Path | None, *, name: str = "") -> None:
        """Begin with this recipe, or with an empty one."""
        self.values = {"name": name, "cameras": {}, "inspect": [], "rules": []}
        if recipe is not None:
            self.values |= recipe.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
        self.base, self._origin, self._sizes = base, _copy(self.values), {}
        self._settle()

    @property
    def is_changed(self) -> bool:
        return bool(self.values != self._origin)

    def know_size(self, camera: str, size: Size) -> None:
        """Note the size of a camera's frames, which regions must fit."""
        if self._sizes.get(camera) != size:
            self._sizes[camera] = size
            self._settle()

    def with_sizes(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the size of the frames that its live cameras have shown: it was set up with those."""
        cameras = {
            name: camera.model_copy(update={"frame_size": self._sizes[name]})
            if name in self._sizes and is_live(camera.source)
            else camera
            for name, camera in recipe.cameras.items()
        }
        return recipe.model_copy(update={"cameras": cameras})

    # Whole recipe

    def set_line(self, values: Mapping[str, Any], names: tuple[str, ...]) -> None:
        """Replace the values of these names."""
        self.values = {key: value for key, value in self.values.items() if key not in names} | dict(values)
        self._settle()

    # Cameras

    @property
    def cameras(self) -> dict[str, Values]:
        found: dict[str, Values] = self.values["cameras"]
        return found

    def add_camera(self, source: str) -> str:
        """Add a camera with this source, and return its name."""
        number, name = 1, "camera"
        while name in self.cameras:
            number += 1
            name = f"camera{number}"
        self.cameras[name] = {"source": source}
        self._settle()
        return name

    def set_camera(self, name: str, **values: Any) -> None:  # noqa: ANN401 - as different as the settings are
        """Set values of a camera; None removes one."""
        before = dict(self.cameras[name])
        if values.get("source", before.get("source")) != before.get("source"):
            before.pop("frame_size", None)  # of another camera
            self._sizes.pop(name, None)
        camera = {**before, **values}
        self.cameras[name] = {key: value for key, value in camera.items() if value is not None}
        self._settle()

    def rename_camera(self, name: str, to: str) -> None:
        """Give a camera another name, also where bundles look at it."""
        if not to or to in self.cameras:
            return
        self.values["cameras"] = {to if key == name else key: value for key, value in self.cameras.items()}
        for step in self.steps:
            if step.get("camera") == name:
                step["camera"] = to
        if name in self._sizes:
            self._sizes[to] = self._sizes.pop(name)
        self._settle()

    def remove_camera(self, name: str) -> None:
        """Remove a camera with the bundles that look at it."""
        del self.cameras[name]
        self._sizes.pop(name, None)
        self.values["inspect"] = [step for step in self.steps if step.get("camera") != name]
        self._drop_rules()

    # Bundles

    @property
    def steps(self) -> list[Values]:
        found: list[Values] = self.values["inspect"]
        return found

    def add_step(self, bundle: str, camera: str) -> int:
        """Have a bundle look at a camera, and return the step's place."""
        self.steps.append({"bundle": bundle, "camera": camera})
        self._settle()
        return len(self.steps) - 1

    def set_step(self, place: int, **values: Any) -> None:  # noqa: ANN401 - as different as the settings are
        """Set values of a step; None removes one."""
        step = {**self.steps[place], **values}
        self.steps[place] = {key: value for key, value in step.items() if value is not None}
        self._settle()

    def remove_step(self, place: int) -> None:
        """Remove a step, and the rules of its bundle if it was the last one."""
        del self.steps[place]
        self._drop_rules()

    # Rules

    @property
    def rules(self) -> list[Values]:
        found: list[Values] = self.values["rules"]
        return found

    def add_rule(self, values: Values) -> int:
        """Add a rule, and return its place."""
        self.rules.append(values)
        self._settle()
        return len(self.rules) - 1

    def set_rule(self, place: int, values: Values) -> None:
        """Replace a rule."""
        self.rules[place] = values
        self._settle()

    def remove_rule(self, place: int) -> None:
        """Remove a rule."""
        del self.rules[place]
        self._settle()

    def _drop_rules(self) -> None:
        used = {step.get("bundle") for step in self.steps}
        self.values["rules"] = [rule for rule in self.rules if rule.get("bundle") in used]
        self._settle()

    def _settle(self) -> None:
        self.check = check_recipe(self.values, self.base, sizes=self._sizes)
        self.changed.emit()


def _copy(value: Any) -> Any:  # noqa: ANN401 - nested values of a file
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value
