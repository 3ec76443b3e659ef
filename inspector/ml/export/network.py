"""Export of a trained network to the files of a bundle: weights, and an ONNX graph checked against torch."""

import math
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from inspector.bundles.bundle import GRAPH, WEIGHTS, Bundle, Card, write_bundle
from inspector.core.errors import EngineError, StorageError
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Floats
from inspector.ml.graph import Graph, example_batch, load_network
from inspector.tasks.base import task_of

OPSET = 17  # newest version that the tracing exporter writes without a conversion; every engine reads it
INPUT, OUTPUT = "frames", "output"
# Largest accepted difference between the ONNX graph and torch, in units of the output: probability, or kelvin.
TOLERANCE = 1e-3
TOLERANCE_KELVIN = 0.02
DIFFERENCE = "onnx_max_difference"


def export_onnx(graph: Graph, card: Card, path: Path) -> float:
    """Write `graph` as ONNX with a free batch size, and compare it with torch on random frames.

    The graph is left in evaluation mode. Returns the largest absolute difference seen. Raises EngineError if it cannot be
    exported or differs too much, and StorageError if the file cannot be written.
    """
    graph.eval()
    example = example_batch(card, 2)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # The tracing exporter is deprecated but complete: it folds batch norm, needs no further package and takes a
            # quarter of the time of the newer one. Its other warnings concern shapes, which the comparison below checks.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph,
                (example,),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
            )
    except OSError as error:
        raise StorageError("{file} cannot be written ({detail}).", file=path, detail=error.strerror or error) from error
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise EngineError(
            "The network {network} cannot be exported to ONNX ({detail}).", network=card.network, detail=_first_line(error)
        ) from error
    return verify_onnx(graph, card, path)


def verify_onnx(graph: Graph, card: Card, path: Path) -> float:
    """Return the largest absolute difference between the file's graph and `graph`, over batches of 1 and 3 random frames.

    Raises EngineError if it exceeds the tolerance of the task.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = max(1, torch.get_num_threads())
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to the line
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    graph.eval()
    worst = 0.0
    for size in (1, 3):
        frames = example_batch(card, size, seed=size)
        with torch.inference_mode():
            expected: Floats = graph(frames).numpy()
        found = np.asarray(session.run(None, {INPUT: frames.numpy()})[0])
        usable = found.shape == expected.shape and bool(np.isfinite(expected).all() and np.isfinite(found).all())
        worst = max(worst, float(np.abs(found - expected).max())) if usable else math.inf
    limit = TOLERANCE_KELVIN if task_of(card.task).unit == "kelvin" else TOLERANCE
    if worst > limit:
        raise EngineError(
            "The ONNX graph of {bundle} differs from the trained network by {difference:.2g}, more than {limit:g}.",
            remedy="Train it again; a network that overflows or returns NaN cannot be exported.",
            bundle=card.name,
            difference=worst,
            limit=limit,
        )
    return worst


def write_trained_bundle(
    folder: Path,
    card: Card,
    network: nn.Module,
    *,
    extra: Mapping[str, bytes] = MappingProxyType({}),
    keep_variants: bool = False,
) -> Bundle:
    """Write the bundle of a trained network: weights, ONNX graph, `extra` files and card, all or nothing.

    `keep_variants` is as for `write_bundle`. The network is left on the CPU in evaluation mode. The card's `training` gets
    `onnx_max_difference`. Raises EngineError or StorageError; an earlier bundle then stays unchanged.
    """
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder.parent, f".{folder.name}.export-") as temporary:
            state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
            save_file(state, temporary / WEIGHTS)
            difference = export_onnx(Graph(network.cpu(), card), card, temporary / GRAPH)
            stated = card.model_copy(update={"training": {**card.training, DIFFERENCE: float(f"{difference:.3g}")}})

            def fill(target: Path) -> None:
                for file in (WEIGHTS, GRAPH):
                    shutil.move(temporary / file, target / file)
                    # safetensors makes files readable by the owner only; a bundle is for every user
                    (target / file).chmod(0o644)
                for file, data in extra.items():
                    (target / file).write_bytes(data)

            return write_bundle(folder, stated, fill, keep_variants=keep_variants)
    except OSError as error:
        raise StorageError(
            "The bundle {folder} cannot be written ({detail}).",
            remedy="Choose a folder with free space and write permission.",
            folder=folder,
            detail=error.strerror or error,
        ) from error


def export_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Write the ONNX graph of a bundle anew from its weights, as a bundle at `folder` (which may be the same).

    Other files are copied. Variants are not, and must be made again for another graph.
    """
    same = folder.resolve() == bundle.folder.resolve()
    kept = {name: (bundle.folder / name).read_bytes() for name in bundle.card.files if name not in (GRAPH, WEIGHTS)}
    card = bundle.card if same else bundle.card.with_variants(())
    return write_trained_bundle(folder, card, load_network(bundle), extra=kept, keep_variants=same)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
