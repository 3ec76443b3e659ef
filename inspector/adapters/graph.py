"""A foreign ONNX graph: what it takes and gives, and what it says of itself. Everything in it is checked before it is used."""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.bundles.external_data import external_files
from inspector.core.errors import ConfigError
from inspector.core.registry import Entry
from inspector.core.types import Floats
from inspector.imaging.preprocessing import InputSpec

if TYPE_CHECKING:
    import onnx

LARGEST = 2 * 1024**3 - 1  # bytes; protocol buffers hold no more
LONGEST_TEXT = 1024 * 1024  # characters of one metadata entry
_OLDEST_OPSET = 13  # older graphs are converted to it
FLOAT, UINT8, FLOAT16 = 1, 2, 10  # onnx.TensorProto
TYPES: Mapping[int, str] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
WHOLE_NUMBERS = (2, 3, 5, 6, 7)
PACKAGES = Entry("", "Importing a network", extra="train")


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output. `shape`: None for a side of any length; `kind`: element type as in `onnx.TensorProto`."""

    name: str
    shape: tuple[int | None, ...]
    kind: int

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} [{sides}] {TYPES.get(self.kind, f'type {self.kind}')}"


@dataclass(frozen=True, slots=True)
class ForeignGraph:
    """A checked graph. `metadata`: what the exporter wrote beside it."""

    file: Path
    model: "onnx.ModelProto"
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, str]

    @property
    def image(self) -> Tensor:
        """The input that takes the picture."""
        return self.inputs[0]

    @property
    def channels_first(self) -> bool:
        """Whether the picture is [N, C, H, W]; otherwise it is [N, H, W, C]."""
        return self.image.shape[1] in (1, 3) or self.image.shape[3] not in (1, 3)

    def output(self, *names: str) -> Tensor | None:
        """Return the output with one of these names; None if there is none."""
        return next((one for one in self.outputs if one.name.rpartition("/")[2] in names), None)

    def value(self, key: str) -> object:
        """Return a metadata entry written as JSON or as a Python literal; the text itself if it is neither, None if missing."""
        text = self.metadata.get(key)
        if text is None:
            return None
        for read in (json.loads, ast.literal_eval):
            try:
                found: object = read(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
                continue
            return found
        return text

    @property
    def described(self) -> str:
        """The inputs and outputs in words."""
        return f"it takes {', '.join(map(str, self.inputs))} and gives {', '.join(map(str, self.outputs))}"


def read_graph(file: Path) -> ForeignGraph:
    """Read an ONNX file. Raises ConfigError, naming what was found, for anything that is no self-contained graph."""
    with PACKAGES.packages():
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no type annotations
    try:
        if file.stat().st_size > LARGEST:
            raise ConfigError(
                "{file} cannot be imported: it has more than 2 GB, the most that an ONNX file can have.", file=file
            )
        outside = sorted(external_files(file))
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=file, detail=error.strerror or error) from error
    if outside:
        raise ConfigError(
            "{file} cannot be imported: its weights lie in other files ({names}).",
            remedy="Export it with its weights inside the file.",
            file=file,
            names=", ".join(name or "no name" for name in outside[:3]),
        )
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError):
        model = onnx.ModelProto()
    if not model.graph.node or not model.graph.output:
        raise ConfigError("{file} cannot be imported: it is not an ONNX graph, or only a part of one.", file=file)
    model = _with_known_opset(_in_order(model), file)
    constants = {one.name for one in model.graph.initializer}
    inputs = [_tensor(one, file) for one in model.graph.input if one.name not in constants]
    outputs = tuple(_tensor(one, file) for one in model.graph.output)
    metadata = {one.key: one.value for one in model.metadata_props if len(one.value) <= LONGEST_TEXT}
    graph = ForeignGraph(file, model, tuple(sorted(inputs, key=lambda one: len(one.shape) != 4)), outputs, metadata)
    if not inputs or len(graph.image.shape) != 4:
        raise ConfigError("{file} cannot be imported: no input takes pictures; {found}.", file=file, found=graph.described)
    return graph


def _tensor(info: "onnx.ValueInfoProto", file: Path) -> Tensor:
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type"):
        raise ConfigError("{file} cannot be imported: {name} is no tensor.", file=file, name=info.name)
    shape = tuple(side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None for side in kind.shape.dim)
    return Tensor(info.name, shape, kind.elem_type)


def _with_known_opset(model: "onnx.ModelProto", file: Path) -> "onnx.ModelProto":
    """Return the model with an operator set that nodes can be added to. Raises ConfigError for one of a newer version."""
    import onnx
    from onnx import version_converter

    newest = onnx.defs.onnx_opset_version()
    opset = opset_of(model)
    if opset > newest or model.ir_version > onnx.IR_VERSION:
        raise ConfigError(
            "{file} cannot be imported: it uses operator set {opset} and format {format}, and this program reads up "
            "to {newest} and {known}.",
            remedy="Export it with opset=17.",
            file=file,
            opset=opset,
            format=model.ir_version,
            newest=newest,
            known=onnx.IR_VERSION,
        )
    if opset >= _OLDEST_OPSET:
        return model
    try:
        return version_converter.convert_version(model, _OLDEST_OPSET)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            "{file} cannot be imported: it uses operator set {opset}, which cannot be converted to {oldest}.",
            remedy="Export it with opset=17.",
            file=file,
            opset=opset,
            oldest=_OLDEST_OPSET,
        ) from error


def _in_order(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Put every node behind those whose outputs it takes: converters to float16 leave some of them at the end."""
    nodes = list(model.graph.node)
    makers = {name: place for place, node in enumerate(nodes) for name in node.output if name}
    needs = {place: {makers[name] for name in _taken(node) if name in makers} for place, node in enumerate(nodes)}
    if all(max(before, default=-1) < place for place, before in needs.items()):
        return model
    try:
        ordered = [nodes[place] for place in TopologicalSorter(needs).static_order()]
    except CycleError:
        return model  # the check of the finished graph names it
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    return model


def _taken(node: "onnx.NodeProto") -> list[str]:
    """Return the inputs of a node and of the graphs inside it."""
    inner = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return [*node.input, *(name for graph in inner for part in graph.node for name in _taken(part))]


def opset_of(model: "onnx.ModelProto") -> int:
    """Return the version of the standard operator set that the model uses; 0 if it names none."""
    return next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)


class Session:
    """The graph as it came, in ONNX Runtime."""

    def __init__(self, graph: ForeignGraph) -> None:
        """Raises ConfigError if ONNX Runtime cannot open the graph."""
        with PACKAGES.packages():
            import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors that matter are raised as exceptions
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._graph = graph
        try:
            self._session = onnxruntime.InferenceSession(
                graph.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise self._failed(error) from error

    def run(self, picture: Floats, constants: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """Return the outputs for a normalised picture [1, C, H, W] or [1, H, W, C]. Raises ConfigError."""
        image = self._graph.image
        kind = np.float16 if image.kind == FLOAT16 else np.uint8 if image.kind == UINT8 else np.float32
        try:
            found = self._session.run(None, {image.name: picture.astype(kind), **constants})
        except Exception as error:
            raise self._failed(error) from error
        return {one.name: np.asarray(array) for one, array in zip(self._graph.outputs, found, strict=True)}

    def _failed(self, error: Exception) -> ConfigError:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return ConfigError(
            "{file} cannot be imported: ONNX Runtime does not run it ({detail}); {found}.",
            file=self._graph.file,
            detail=(lines or [type(error).__name__])[0][:200].rstrip("."),
            found=self._graph.described,
        )


def real_outputs(
    graph: ForeignGraph, spec: InputSpec, constants: Mapping[str, NDArray[np.generic]] = MappingProxyType({})
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the outputs for one grey picture of this size; the graph may leave them open. Raises ConfigError."""
    picture = np.full((1, *spec.shape), 0.5, np.float32)
    if graph.channels_first:
        picture = picture.transpose(0, 3, 1, 2)
    return {name: array.shape for name, array in Session(graph).run(picture, constants).items()}
