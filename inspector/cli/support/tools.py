"""Regions and the tools of thermography as words on the command line."""

from collections.abc import Callable

import click

from inspector.imaging.thermography import Polygon, Rectangle


class Numbers(click.ParamType[object]):
    """Whole numbers separated by commas: exactly `count` of them, or any number of pairs; `make` may raise ValueError."""

    def __init__(self, name: str, count: int, make: Callable[..., object]) -> None:
        self.name = name
        self._count = count
        self._make = make

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        try:
            numbers = [int(word) for word in value.replace(" ", ",").split(",") if word]
        except ValueError:
            self.fail(f"{value!r} is not {self.name} in whole pixels.", param, ctx)
        if (self._count and len(numbers) != self._count) or len(numbers) % 2:
            self.fail(f"{value!r} is not {self.name}.", param, ctx)
        try:
            return self._make(*numbers)
        except ValueError:
            self.fail(f"{value!r} is not {self.name}.", param, ctx)


class Pair(click.ParamType[object]):
    """Two numbers separated by a comma."""

    name = "LOW,HIGH"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        try:
            low, high = (float(word) for word in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not two numbers with a comma between them.", param, ctx)
        if not low < high:
            self.fail(f"{value!r}: the first number must be the smaller one.", param, ctx)
        return low, high


class Emissivity(click.ParamType[object]):
    """A rectangle and the emissivity in it."""

    name = "X,Y,W,H,E"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        try:
            *sides, emissivity = value.split(",")
            x, y, width, height = (int(side) for side in sides)
            return Rectangle(x, y, width, height), float(emissivity)
        except ValueError:
            self.fail(f"{value!r} is not a rectangle in whole pixels and an emissivity.", param, ctx)


def polygon(*numbers: int) -> Polygon:
    return Polygon(tuple(zip(numbers[::2], numbers[1::2], strict=True)))
