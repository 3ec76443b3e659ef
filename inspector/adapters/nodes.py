"""Adds nodes to an ONNX graph, one method for each operator, in the form that the graph's operator set has."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

_AXES_AS_INPUT = 18  # operator set from which ReduceMax takes its axes as an input


class Nodes:
    """The nodes added so far. Every method returns the name of the tensor that its node gives."""

    def __init__(self, prefix: str, opset: int) -> None:
        self._prefix, self._opset = prefix, opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: NDArray[np.generic] | np.float32) -> str:
        """Add an array or a number."""
        from onnx import numpy_helper

        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:  # noqa: ANN401 - as in onnx
        """Add a node of any operator; return its first output. Further outputs have the same name with `_1`, `_2`, ..."""
        from onnx import helper

        name = f"{self._prefix}{operator}_{len(self.nodes)}"
        names = [name, *(f"{name}_{number}" for number in range(1, outputs))]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=name, **attributes))
        return name

    def cast(self, value: str, kind: int = 1) -> str:
        """Convert to an element type, float32 if left out."""
        return self.add("Cast", value, to=kind)

    def transpose(self, value: str, *axes: int) -> str:
        """Exchange axes."""
        return self.add("Transpose", value, perm=list(axes))

    def part(self, value: str, start: int, end: int, *, axis: int = -1) -> str:
        """Take the elements from `start` to before `end` along an axis."""
        bounds = [self.constant(np.array([number], np.int64)) for number in (start, end, axis)]
        return self.add("Slice", value, *bounds)

    def scaled(self, value: str, factors: float | Sequence[float]) -> str:
        """Multiply by one factor, or by one for each element of the last axis."""
        return self.add("Mul", value, self.constant(np.asarray(factors, np.float32)))

    def joined(self, *values: str, axis: int = -1) -> str:
        """Concatenate along an axis."""
        return self.add("Concat", *values, axis=axis)

    def largest(self, value: str, axis: int, *, keep: bool = True) -> str:
        """Take the maximum along an axis, which stays with length 1 if `keep`."""
        if self._opset >= _AXES_AS_INPUT:
            return self.add("ReduceMax", value, self.constant(np.array([axis], np.int64)), keepdims=int(keep))
        return self.add("ReduceMax", value, axes=[axis], keepdims=int(keep))

    def shaped(self, value: str, *sides: int) -> str:
        """Reshape; 0 keeps a side, -1 is the rest."""
        return self.add("Reshape", value, self.constant(np.array(sides, np.int64)))

    def one_hot(self, numbers: str, values: Sequence[int]) -> str:
        """Return float32 [..., len(values)]: 1 where the whole number [..., 1] equals the value of that place, else 0."""
        wanted = self.constant(np.asarray(values, np.int64))
        return self.cast(self.add("Equal", self.cast(numbers, 7), wanted))

    def only_best(self, scores: str) -> str:
        """Set all scores of the last axis to 0 except the highest."""
        return self.add("Mul", scores, self.cast(self.add("Equal", scores, self.largest(scores, -1))))

    def corners(self, boxes: str) -> str:
        """Convert boxes [..., 4] from centre x, y, width, height to left, top, right, bottom."""
        centre, half = self.part(boxes, 0, 2), self.scaled(self.part(boxes, 2, 4), 0.5)
        return self.joined(self.add("Sub", centre, half), self.add("Add", centre, half))
