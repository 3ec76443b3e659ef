"""What can be chosen, as tables of strings. Listing imports nothing; `load()` imports one thing.

To add a camera, network, engine, task or work for a worker process: one file, one line here.
"""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from inspector.core.errors import ConfigError
from inspector.core.types import Precision, TaskName


@dataclass(frozen=True, slots=True)
class Entry:
    """`target` is "module:attribute"; `label` is shown to people; `extra` names the optional set of packages it needs.

    `isolate`: an engine that must run in a worker process, away from the window. `loss`: of a network, its key in LOSSES
    where that is not the task. `tasks`: of a network, those it can learn. `pretrained`: of a network, whether it can start from
    a backbone that knows pictures already. `precisions`: of an engine. `gated`: of an engine, that even its fp32 must have
    agreed with the trained network before it is used.
    """

    target: str
    label: str
    extra: str = ""
    isolate: bool = False
    loss: str = ""
    tasks: tuple[TaskName, ...] = ()
    pretrained: bool = False
    precisions: tuple[Precision, ...] = ("fp32",)
    gated: bool = False

    def load(self) -> Any:  # noqa: ANN401 - the attribute named by a string has no static type
        """Import and return the target.

        Raises ConfigError if a third-party package is missing; an import error of our own modules passes through.
        """
        module, _, attribute = self.target.partition(":")
        with self.packages():
            return getattr(importlib.import_module(module), attribute)

    @contextmanager
    def packages(self) -> Iterator[None]:
        """Raise ConfigError where a third-party package turns out to be missing, as `load` does."""
        try:
            yield
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in ("", "inspector"):
                raise
            raise ConfigError(
                "{label} needs the Python package {package}, which is not installed.",
                remedy="Install it from the program's folder: packaging/run.sh --with {extra} (Windows: run.ps1)."
                if self.extra
                else "Install {package}.",
                label=self.label,
                package=missing,
                extra=self.extra,
            ) from error


def find(table: Mapping[str, Entry], key: str, what: str) -> Entry:
    """Return the entry called `key`, or a ConfigError that lists the names there are. `what`: "camera", "network", ..."""
    try:
        return table[key]
    except KeyError:
        raise ConfigError(
            "There is no {what} called {key!r}.",
            remedy="Choose one of: {names}.",
            what=what,
            key=key,
            names=", ".join(table),
        ) from None


TASKS: Mapping[str, Entry] = MappingProxyType(
    {
        "classification": Entry("inspector.tasks.classification:Classification", "Classification"),
        "detection": Entry("inspector.tasks.detection:Detection", "Detection"),
        "segmentation": Entry("inspector.tasks.segmentation:Segmentation", "Segmentation"),
        "thermal": Entry("inspector.tasks.thermal:Thermal", "Thermal"),
    }
)

# Losses and output activations need torch, so the tasks reach them through here. Networks of a task whose outputs mean
# different things name theirs (`Entry.loss`); the others have the one called as the task.
LOSSES: Mapping[str, Entry] = MappingProxyType(
    {
        "classification": Entry(
            "inspector.tasks.losses.classification:ClassificationLoss", "Classification loss", extra="train"
        ),
        "detection": Entry("inspector.tasks.losses.grid:GridLoss", "Detection loss of a grid", extra="train"),
        "detection_points": Entry("inspector.tasks.losses.points:PointsLoss", "Detection loss of points", extra="train"),
        "segmentation": Entry("inspector.tasks.losses.segmentation:SegmentationLoss", "Segmentation loss", extra="train"),
        "thermal": Entry("inspector.tasks.losses.thermal:ThermalLoss", "Thermal loss", extra="train"),
    }
)

# What a worker process can do, by the kind of its job (`workers.jobs`): a function of the job and the child's channel.
WORK: Mapping[str, Entry] = MappingProxyType(
    {
        "train": Entry("inspector.ml.work:train", "Training", extra="train"),
        "rank": Entry("inspector.ml.work:rank", "Training", extra="train"),
        "infer": Entry("inspector.ml.serve:serve_engine", "PyTorch", extra="train"),
        "explain": Entry("inspector.ml.serve:serve_explain", "Grad-CAM", extra="train"),
        "variant": Entry("inspector.ml.work:variant", "Exporting", extra="train"),
        "variants": Entry("inspector.ml.work:variants", "Exporting", extra="train"),
        "graph": Entry("inspector.ml.work:graph", "Exporting", extra="train"),
        "tune": Entry("inspector.tuning.job:work", "Auto-tune", extra="train"),
    }
)

UNTRAINED = Entry("inspector.ml.export.untrained:write_untrained", "Building a network", extra="train")

NETWORKS: Mapping[str, Entry] = MappingProxyType(
    {
        "simple_cnn": Entry("inspector.ml.networks.simple_cnn:build", "SimpleCNN", extra="train", tasks=("classification",)),
        "resnet50": Entry(
            "inspector.ml.networks.transfer:build_resnet50",
            "ResNet-50",
            extra="train",
            tasks=("classification",),
            pretrained=True,
        ),
        "efficientnet_b0": Entry(
            "inspector.ml.networks.transfer:build_efficientnet_b0",
            "EfficientNet-B0",
            extra="train",
            tasks=("classification",),
            pretrained=True,
        ),
        "efficientnet_lite0": Entry(
            "inspector.ml.networks.transfer:build_efficientnet_lite0",
            "EfficientNet-Lite0",
            extra="train",
            tasks=("classification",),
            pretrained=True,
        ),
        "simple_yolo": Entry("inspector.ml.networks.simple_yolo:build", "SimpleYOLO", extra="train", tasks=("detection",)),
        "fpn_lite0": Entry(
            "inspector.ml.networks.fpn_lite0:build",
            "FPN on EfficientNet-Lite0",
            extra="train",
            loss="detection_points",
            tasks=("detection",),
            pretrained=True,
        ),
        "unet": Entry("inspector.ml.networks.unet:build", "U-Net", extra="train", tasks=("segmentation",)),
        "unet_effnet": Entry(
            "inspector.ml.networks.unet_effnet:build",
            "U-Net on EfficientNet-Lite0",
            extra="train",
            tasks=("segmentation",),
            pretrained=True,
        ),
        "thermal_cnn": Entry("inspector.ml.networks.thermal_cnn:build", "ThermalCNN", extra="train", tasks=("thermal",)),
    }
)

# Where an engine with `isolate` is opened in its stead.
ISOLATED = Entry("inspector.engines.remote:RemoteEngine", "Engine in a worker process")

ENGINES: Mapping[str, Entry] = MappingProxyType(
    {
        "openvino": Entry(
            "inspector.engines.openvino_runtime:OpenVinoEngine", "OpenVINO", precisions=("fp32", "bf16", "fp16", "int8")
        ),
        "onnxruntime": Entry("inspector.engines.onnx_runtime:OnnxRuntimeEngine", "ONNX Runtime", precisions=("fp32", "int8")),
        "tensorrt": Entry(
            "inspector.engines.tensorrt:TensorRtEngine",
            "TensorRT",
            extra="gpu",
            precisions=("fp32", "bf16", "fp16", "int8"),
            gated=True,
        ),
        "torch": Entry("inspector.engines.torch_eager:TorchEagerEngine", "PyTorch", extra="train", isolate=True),
        "torchscript": Entry(
            "inspector.engines.torch_script:TorchScriptEngine",
            "TorchScript",
            extra="train",
            isolate=True,
            precisions=("fp32", "bf16"),
        ),
    }
)

CAMERAS: Mapping[str, Entry] = MappingProxyType(
    {
        "simulated": Entry("inspector.cameras.simulated:SimulatedCamera", "Demo line"),
        "folder": Entry("inspector.cameras.folder:FolderCamera", "Image folder"),
        "video": Entry("inspector.cameras.video:VideoCamera", "Video file"),
        "usb": Entry("inspector.cameras.usb:UsbCamera", "USB camera"),
        "rtsp": Entry("inspector.cameras.rtsp:StreamCamera", "Network stream (RTSP/HTTP)"),
    }
)

TABS: Mapping[str, Entry] = MappingProxyType(
    {
        "detection": Entry("inspector.ui.tabs.detection:DetectionTab", "Detection"),
        "segmentation": Entry("inspector.ui.tabs.segmentation:SegmentationTab", "Segmentation"),
        "thermal": Entry("inspector.ui.tabs.thermal:ThermalTab", "Thermal"),
        "gradcam": Entry("inspector.ui.tabs.gradcam:GradCamTab", "Grad-CAM"),
    }
)
