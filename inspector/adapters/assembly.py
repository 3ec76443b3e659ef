"""The bundle's graph: nodes before a foreign graph that prepare its picture, and behind it to what the task decodes."""

from typing import TYPE_CHECKING

import numpy as np

from inspector.adapters.base import Adapter
from inspector.adapters.graph import FLOAT, FLOAT16, ForeignGraph, opset_of
from inspector.adapters.nodes import Nodes
from inspector.core.errors import ConfigError

if TYPE_CHECKING:
    import onnx

BATCH = 16  # frames at once, if the graph takes any number
_SIDES = {"classification": 1, "detection": 2, "segmentation": 3}  # of a task's output for one frame
_LONGEST_PART = 4096  # elements; an open end is larger
_INPUT, _OUTPUT = "frames", "output"
_PREFIX = "/network/"  # as in graphs of this program: what lies outside is not quantised


def completed(adapter: Adapter) -> tuple["onnx.ModelProto", int]:
    """Return the graph from prepared frames to the output of the task, and the largest batch that it takes."""
    from onnx import checker

    graph = adapter.graph
    flexible = graph.image.shape[0] is None and not adapter.plan.constants
    for free in (True, False) if flexible else (False,):
        model = _assembled(adapter, free=free)
        if not free or _alike_in_batches(model, adapter):
            break
    try:
        checker.check_model(model, full_check=False)
    except checker.ValidationError as error:
        detail = str(error).splitlines()[0][:200]
        raise ConfigError(
            "{file} cannot be imported: the graph is not valid ({detail}).", file=graph.file, detail=detail
        ) from error
    return model, BATCH if free else 1


def _assembled(adapter: Adapter, *, free: bool) -> "onnx.ModelProto":
    """Return the model with nodes before and after. `free`: for any number of frames, not for one."""
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    graph, plan, spec = adapter.graph, adapter.plan, adapter.plan.input
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    _fix_sizes(model, graph, adapter, free=free)
    _without_grouped_slices(model)
    compose.add_prefix(model, prefix=_PREFIX, inplace=True)
    for number, node in enumerate(model.graph.node):
        node.name = node.name if node.name.startswith(_PREFIX) else f"{_PREFIX}{node.op_type}_{number}"
    before = Nodes("/input/", opset_of(model))
    value = before.cast(_INPUT)
    mean, std = (before.constant(np.asarray(numbers, np.float32)) for numbers in (plan.mean, plan.std))
    value = before.add("Div", before.add("Sub", value, mean), std)
    if graph.channels_first:
        value = before.transpose(value, 0, 3, 1, 2)
    if graph.image.kind != FLOAT:
        value = before.cast(value, graph.image.kind)
    entry = helper.make_node("Identity", [value], [_PREFIX + graph.image.name], name="/input/Identity")
    for name, array in plan.constants.items():
        model.graph.initializer.append(numpy_helper.from_array(array, _PREFIX + name))
    after = Nodes("/task/", opset_of(model))
    outputs = {}
    for one in graph.outputs:
        name = _PREFIX + one.name
        outputs[one.name] = after.cast(name) if one.kind in (FLOAT16, TensorProto.DOUBLE) else name
    last = adapter.head(after, outputs)
    exit_ = helper.make_node("Identity", [last], [_OUTPUT], name="/task/output")  # NNCF fails at a last Cast
    nodes = [*before.nodes, entry, *model.graph.node, *after.nodes, exit_]
    del model.graph.node[:], model.graph.input[:], model.graph.output[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([*before.constants, *after.constants])
    count = "batch" if free else 1
    model.graph.input.append(helper.make_tensor_value_info(_INPUT, TensorProto.UINT8, [count, *spec.shape]))
    shape = [count, *[None] * _SIDES[plan.task]]
    model.graph.output.append(helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, shape))
    return model


def _fix_sizes(model: "onnx.ModelProto", graph: ForeignGraph, adapter: Adapter, *, free: bool) -> None:
    """Set the size of the picture and, unless `free`, the number of pictures."""
    spec = adapter.plan.input
    sides = (spec.channels, spec.height, spec.width) if graph.channels_first else spec.shape
    for info in model.graph.input:
        if info.name == graph.image.name:
            shape = info.type.tensor_type.shape
            for side, length in zip(shape.dim[1:], sides, strict=True):
                side.dim_value = length
            if not free:
                shape.dim[0].dim_value = 1


def _alike_in_batches(model: "onnx.ModelProto", adapter: Adapter) -> bool:
    """Return whether two frames at once get the answers that each gets alone; graphs made for one often fail here."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    frames = np.random.default_rng(0).integers(0, 256, (2, *adapter.plan.input.shape), np.uint8)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        both = session.run(None, {_INPUT: frames})[0]
        alone = [session.run(None, {_INPUT: frames[row : row + 1]})[0] for row in range(2)]
    except Exception:  # noqa: BLE001 - of ONNX Runtime: the graph is then used for one frame, which raises it again
        return False
    return len(both) == 2 and all(np.allclose(both[row], alone[row][0], atol=1e-3) for row in range(2))


def _without_grouped_slices(model: "onnx.ModelProto") -> None:
    """Replace slices of a tensor whose elements are then gathered by gathers of the same places.

    OpenVINO joins such slices, takes the whole tensor for one of them and refuses the graph (YOLO26's masks; 2026.4.1).
    """
    from onnx import helper, numpy_helper

    makers = {name: node for node in model.graph.node for name in node.output}
    fixed = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            fixed[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    for node in [node for node in model.graph.node if node.op_type == "GatherElements"]:
        cut = makers.get(node.input[0])
        if cut is None or cut.op_type != "Slice" or not 4 <= len(cut.input) <= 5 or not set(cut.input[1:]) <= set(fixed):
            continue
        bounds = [fixed[name] for name in cut.input[1:]]
        start, end, axis, step = (int(one[0]) if one.size == 1 else -1 for one in (*bounds, np.ones(1))[:4])
        if start < 0 or not start < end < _LONGEST_PART or step != 1:
            continue
        places = f"{cut.output[0]}_places"
        model.graph.initializer.append(numpy_helper.from_array(np.arange(start, end), places))
        cut.CopyFrom(helper.make_node("Gather", [cut.input[0], places], list(cut.output), name=cut.name, axis=axis))
