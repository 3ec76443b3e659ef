"""The interface of an adapter: what a family of foreign networks takes and gives, and how its own runtime reads its answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from inspector.adapters.graph import ForeignGraph
from inspector.adapters.nodes import Nodes
from inspector.adapters.runtime import Seen
from inspector.core.errors import ConfigError
from inspector.core.types import Answer, TaskName
from inspector.data.formats.record import class_name
from inspector.imaging.preprocessing import Fit, InputSpec, Resample

Arrays = Mapping[str, NDArray[np.generic]]
Numbers = tuple[float, ...]
MOST_CLASSES = 2000
LARGEST_SIDE = 4096
_NAMES = ("names", "classes", "class_names", "labels", "id2label")  # metadata in which exporters write the classes
UNIT: tuple[Numbers, Numbers] = ((0.0,), (1.0,))  # (mean, std) of pixels as 0..1
IMAGENET: tuple[Numbers, Numbers] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person says of a foreign graph, in place of what the graph says or its family does.

    `size`: (width, height) of the input. `mean`, `std`: of pixels as 0..1.
    """

    task: TaskName | None = None
    classes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    fit: Fit | None = None
    mean: Numbers = ()
    std: Numbers = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How a graph becomes a bundle. `constants`: values of inputs other than the picture, by name, for one picture.

    `mean` and `std` are on the scale 0..255 of `prepare`.
    """

    task: TaskName
    classes: tuple[str, ...]
    input: InputSpec
    mean: Numbers
    std: Numbers
    ok_classes: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    constants: Arrays = field(default_factory=dict)


class Adapter(ABC):
    """One family of foreign networks, for one graph.

    To add a family: one file with a subclass, one line in `importing.FAMILIES`.
    """

    family: ClassVar[str]

    def __init__(self, graph: ForeignGraph, plan: Plan) -> None:
        self.graph, self.plan = graph, plan

    @classmethod
    @abstractmethod
    def recognise(cls, graph: ForeignGraph, wishes: Wishes) -> "Adapter | None":
        """Return the adapter of a graph of this family; None for any other graph.

        Raises ConfigError for a graph of this family that cannot be used, or not without more wishes.
        """

    @abstractmethod
    def head(self, nodes: Nodes, outputs: Mapping[str, str]) -> str:
        """Add the nodes from the graph's outputs, by name, to the output that the task decodes; return its name."""

    @abstractmethod
    def answer(self, outputs: Arrays, seen: Seen) -> Answer:
        """Return what the family's own runtime says of one picture. Independent of `head` and of `Task.decode`."""


def square_input(
    graph: ForeignGraph,
    wishes: Wishes,
    *,
    fit: Fit = "stretch",
    resample: Resample = "antialias",
    size: tuple[int, int] | None = None,
) -> InputSpec:
    """Return the input. `size`: (width, height) that the metadata name. Raises ConfigError if nothing says the size."""
    shape = graph.image.shape
    channels = channels_of(graph)
    height, width = (shape[2], shape[3]) if graph.channels_first else (shape[1], shape[2])
    wanted = wishes.size or size
    if wanted is not None:
        fixed = (width or wanted[0], height or wanted[1])
        if fixed != wanted and wishes.size is not None:
            raise ConfigError(
                "{file} takes pictures of {width} x {height} pixels, and no others.",
                file=graph.file,
                width=fixed[0],
                height=fixed[1],
            )
        width, height = fixed
    if width is None or height is None:
        raise ConfigError(
            "{file} takes pictures of any size, and nothing says which its network learnt; {found}.",
            remedy="Give it: --size WIDTHxHEIGHT.",
            file=graph.file,
            found=graph.described,
        )
    if not 8 <= min(width, height) <= max(width, height) <= LARGEST_SIDE:
        raise ConfigError(
            "{file} takes pictures of {width} x {height} pixels; 8 to {most} a side can be used.",
            file=graph.file,
            width=width,
            height=height,
            most=LARGEST_SIDE,
        )
    return InputSpec(width=width, height=height, channels=channels, fit=wishes.fit or fit, resample=resample, unit="intensity")


def channels_of(graph: ForeignGraph) -> Any:  # noqa: ANN401 - Literal[1, 3] of InputSpec, which checks it
    """Return the number of channels of the picture. Raises ConfigError unless it is 1 or 3."""
    found = graph.image.shape[1 if graph.channels_first else 3]
    if found in (1, 3):
        return found
    raise ConfigError(
        "{file} cannot be imported: pictures have 1 or 3 channels; {found}.", file=graph.file, found=graph.described
    )


def normalisation(wishes: Wishes, channels: int, usual: tuple[Numbers, Numbers]) -> tuple[Numbers, Numbers]:
    """Return mean and std on the scale 0..255, one number per channel. Raises ConfigError for another number of them."""
    found = []
    for said, known in ((wishes.mean, usual[0]), (wishes.std, usual[1])):
        values = said or known
        if len(values) not in (1, channels) and not said:
            values = (float(np.mean(values)),)  # grey pictures get the mean over the colours
        if len(values) not in (1, channels):
            raise ConfigError(
                "The network takes {channels} channels, and {count} values were given.", channels=channels, count=len(values)
            )
        found.append(tuple(value * 255.0 for value in (values * channels if len(values) == 1 else values)))
    return found[0], found[1]


def classes_of(graph: ForeignGraph, wishes: Wishes, *, count: int | None = None) -> tuple[str, ...]:
    """Return the classes that a person or the metadata name; otherwise `count` numbered ones, () if that is unknown.

    Raises ConfigError if two have the same name.
    """
    names = wishes.classes or _named(graph)
    if not names and count is not None:
        names = tuple(f"class {index}" for index in range(count))
    if len(names) > MOST_CLASSES or len(set(names)) != len(names) or not all(names):
        raise ConfigError(
            "{file} names {count} classes, some of them twice or not at all, or more than {most}.",
            remedy="Give their names, one a line: --classes FILE.",
            file=graph.file,
            count=len(names),
            most=MOST_CLASSES,
        )
    return names


def _named(graph: ForeignGraph) -> tuple[str, ...]:
    for key in (*_NAMES, "rfdetr_notes", "config"):
        found = graph.value(key)
        if isinstance(found, Mapping) and not all(str(number).isdecimal() for number in found):
            found = next((found[inner] for inner in _NAMES if inner in found), None)
        names = _in_order(found)
        if names:
            return names
    return ()


def _in_order(found: object) -> tuple[str, ...]:
    if isinstance(found, str) and "," in found:
        found = found.split(",")
    if isinstance(found, Mapping):
        if not found or len(found) > MOST_CLASSES or not all(str(number).isdecimal() for number in found):
            return ()
        numbered = {int(str(number)): name for number, name in found.items()}
        highest = max(numbered)
        found = [numbered.get(index, f"class {index}") for index in range(highest + 1)] if highest < MOST_CLASSES else []
    if isinstance(found, list | tuple) and all(isinstance(name, str | int) for name in found):
        return tuple(class_name(str(name)) for name in found)
    return ()


def wrong_count(graph: ForeignGraph, classes: Sequence[str], found: int) -> ConfigError:
    """Return the error for a graph that has another number of classes than there are names."""
    return ConfigError(
        "{file} tells {found} classes apart, and {count} are named; {graph}.",
        remedy="Give their names, one a line, in the order that the network was trained with: --classes FILE.",
        file=graph.file,
        found=found,
        count=len(classes),
        graph=graph.described,
    )


def read_classes(file: Path) -> tuple[str, ...]:
    """Return the class names in a file: one a line, or a JSON list or object by number. Raises ConfigError."""
    from inspector.core.untrusted import parse_json, read_bounded

    try:
        text = read_bounded(file).decode("utf-8-sig")
        names = _in_order(parse_json(text)) if file.suffix.lower() == ".json" else tuple(map(class_name, text.splitlines()))
    except (OSError, ValueError) as error:
        detail = (error.strerror or error) if isinstance(error, OSError) else error
        raise ConfigError("{file} cannot be read ({detail}).", file=file, detail=detail) from error
    found = tuple(name for name in names if name)
    if not found:
        raise ConfigError("{file} names no class.", remedy="Write one name on each line.", file=file)
    return found
