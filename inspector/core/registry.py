"""What can be chosen, as tables of strings. Listing imports nothing; `load()` imports one thing.

To add a camera, network, engine or task: one file, one line here.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from inspector.core.errors import ConfigError
from inspector.core.types import LabelKind, Precision, TaskName


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
        try:
            return getattr(importlib.import_module(module), attribute)
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


@dataclass(frozen=True, slots=True)
class TaskEntry(Entry):
    """`about`: in a few words what is learnt. `labels`: the kind of labels that it is taught by. `learner`: its key in
    LEARNERS. `defaults`: values of `TrainSettings` where a person gives none.
    """

    about: str = ""
    labels: LabelKind = "label"
    learner: str = "gradient"
    defaults: Mapping[str, object] = field(default_factory=dict)


def known_task(name: str) -> str:
    """The name of a task, for data that is read. Raises ValueError for another."""
    if name not in TASKS:
        raise ValueError(f"there is no task {name!r}; use one of: {', '.join(TASKS)}")
    return name


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


# The usual one first. Thermal cameras are small and their frames are 4:3. Defects cover so little of a mask that large first
# steps teach a wide U-Net to see none anywhere, which it does not unlearn.
TASKS: dict[TaskName, TaskEntry] = {
    "classification": TaskEntry(
        "inspector.tasks.classification:Classification",
        "Classification",
        about="Which class a whole image is of",
        labels="label",
        defaults={"network": "simple_cnn", "width": 224, "height": 224, "batch": 16, "lr": 1e-3},
    ),
    "detection": TaskEntry(
        "inspector.tasks.detection:Detection",
        "Detection",
        about="Where objects are, as boxes, and of which class",
        labels="boxes",
        defaults={"network": "simple_yolo", "width": 224, "height": 224, "batch": 16, "lr": 2e-3},
    ),
    "segmentation": TaskEntry(
        "inspector.tasks.segmentation:Segmentation",
        "Segmentation",
        about="Which pixels are a defect, and of which class",
        labels="mask",
        defaults={"network": "unet", "width": 224, "height": 224, "batch": 8, "lr": 5e-4, "loss": "bce_dice"},
    ),
    "thermal": TaskEntry(
        "inspector.tasks.thermal:Thermal",
        "Temperatures",
        about="The hottest, mean and coldest temperature",
        labels="temperatures",
        defaults={"network": "thermal_cnn", "width": 160, "height": 120, "batch": 16, "lr": 2e-3, "channels": 1},
    ),
}

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

# How a task is learnt: by what is called as `ml.train.learner.Learner` says.
LEARNERS: dict[str, Entry] = {
    "gradient": Entry("inspector.ml.train.fit:Fit", "Gradient descent", extra="train"),
}

TRAINER = Entry("inspector.ml.train.trainer:train", "Training", extra="train")

EXPORTER = Entry("inspector.ml.export.variants:Exporter", "Exporting", extra="train")

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
