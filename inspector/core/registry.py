"""Tables of everything that can be chosen, by name. Listing imports nothing; `load()` imports one implementation.

To add a camera, network, engine, task or kind of worker job: one file, and one line here. Properties needed before an
implementation is loaded are given on its line.
"""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from inspector.core.errors import ConfigError
from inspector.core.installed import training_pack
from inspector.core.types import LabelKind, Precision, TaskName


@dataclass(frozen=True, slots=True)
class Entry:
    """One choice.

    `target` is "module:attribute"; `label` is shown to people; `extra` names the optional set of packages needed.
    """

    target: str
    label: str
    extra: str = ""

    def load(self) -> Any:  # noqa: ANN401 - the attribute named by a string has no static type
        """Import and return the target.

        Raises ConfigError if a third-party package is missing or damaged; import errors of our own modules propagate.
        """
        module, _, attribute = self.target.partition(":")
        with self.packages():
            return getattr(importlib.import_module(module), attribute)

    @contextmanager
    def packages(self) -> Iterator[None]:
        """Raise ConfigError if a third-party package turns out to be missing or damaged, as `load` does."""
        try:
            yield
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in ("", "inspector"):
                raise
            pack = training_pack() if self.extra == "train" else ""
            raise ConfigError(
                "{label} needs the Python package {package}, which is not installed.",
                remedy="Install the training pack, {pack}."
                if pack
                else "Install it from the program's folder: packaging/run.sh --with {extra} (Windows: run.ps1)."
                if self.extra
                else "Install {package}.",
                label=self.label,
                package=missing,
                extra=self.extra,
                pack=pack,
            ) from error
        except ImportError as error:  # a library is damaged, or one that it needs is missing
            if (error.name or "").partition(".")[0] == "inspector":
                raise
            raise ConfigError(
                "{label} cannot be loaded ({detail}).",
                remedy="Install the program again, or choose something else.",
                label=self.label,
                detail=" ".join(str(error).split()),
            ) from error


EntryT = TypeVar("EntryT", bound=Entry)


@dataclass(frozen=True, slots=True)
class TaskEntry(Entry):
    """A task.

    `about`: what is learnt, in a few words. `labels`: the kind of labels it learns from. `learner`: its key in LEARNERS.
    `defaults`: values of `TrainSettings` that a person leaves open.
    """

    about: str = ""
    labels: LabelKind = "label"
    learner: str = "gradient"
    defaults: Mapping[str, object] = field(default_factory=dict)


# The stages of EfficientNet-Lite0, which has eight, with a quarter of the input's size and above: what they see, edges and
# textures, is alike in all pictures, and they cost most of the time.
STILL_STAGES = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds per image: `fixed`, plus an amount per million input pixels.

    `step` is a training step, `infer` the inspection of a single frame. `still`: the time of a step in which the first
    STILL_STAGES stages do not learn, over the time of one in which all learn. Measured with `inspector bench costs` on the
    machine of `training.costs`.
    """

    step_fixed: float
    step_megapixel: float
    infer_fixed: float
    infer_megapixel: float
    still: float = 1.0

    def step_ms(self, pixels: int, *, still: int = 0) -> float:
        """Return the time of forward, backward and update for one image of a batch.

        `still`: number of stages that do not learn.
        """
        whole = self.step_fixed + self.step_megapixel * pixels / 1e6
        return whole * (1 - (1 - self.still) * min(still / STILL_STAGES, 1.0))

    def infer_ms(self, pixels: int) -> float:
        """Return the time of one frame in the default engine."""
        return self.infer_fixed + self.infer_megapixel * pixels / 1e6


# Default cost: that of the most expensive transfer network.
UNKNOWN_COST = Cost(26, 2680, 2.2, 786, still=0.66)


@dataclass(frozen=True, slots=True)
class NetworkEntry(Entry):
    """A network.

    `tasks`: the tasks it can learn. `loss`: its key in LOSSES if that is not the task. `pretrained`: whether it can start from
    a pretrained backbone. `advised`: its rank among the networks recommended for a task; 0: not recommended. `from_nothing`:
    settings with which it was seen to learn from random weights. `megabytes`: size of its default weights, at 224 x 224 pixels
    if it grows with the input (`by_area`); 0 if unknown.
    """

    tasks: tuple[TaskName, ...] = ()
    loss: str = ""
    pretrained: bool = False
    advised: int = 0
    from_nothing: Mapping[str, object] = field(default_factory=dict)
    megabytes: float = 0.0
    by_area: bool = False
    cost: Cost = UNKNOWN_COST


@dataclass(frozen=True, slots=True)
class EngineEntry(Entry):
    """An engine.

    `software`: the packages whose versions decide its behaviour, the one that runs it first. `isolate`: it must run in a worker
    process, away from the window. `gated`: even its fp32 variant must agree with the trained network before use. `files`: its
    variants have files of their own. `weights`: it runs a network's weights, not a graph.
    """

    software: tuple[str, ...] = ()
    isolate: bool = False
    precisions: tuple[Precision, ...] = ("fp32",)
    gated: bool = False
    files: bool = False
    weights: bool = False


def known_task(name: str) -> str:
    """Return the name of a known task, to validate data that is read. Raises ValueError for any other name."""
    if name not in TASKS:
        raise ValueError(f"there is no task {name!r}; use one of: {', '.join(TASKS)}")
    return name


def find(table: Mapping[str, EntryT], key: str, what: str) -> EntryT:
    """Return the entry named `key`. Raises ConfigError, which lists the known names. `what`: "camera", "network", ..."""
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


def engine_for(engine: str, precision: Precision) -> EngineEntry:
    """Return the entry of an engine that has this precision. Raises ConfigError."""
    entry = find(ENGINES, engine, "engine")
    if precision not in entry.precisions:
        raise ConfigError(
            "{engine} does not run bundles in {precision}.",
            remedy="Use one of: {names}.",
            engine=entry.label,
            precision=precision,
            names=", ".join(entry.precisions),
        )
    return entry


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
LOSSES: dict[str, Entry] = {
    "classification": Entry("inspector.tasks.losses.classification:ClassificationLoss", "Classification loss", extra="train"),
    "detection": Entry("inspector.tasks.losses.grid:GridLoss", "Detection loss of a grid", extra="train"),
    "detection_points": Entry("inspector.tasks.losses.points:PointsLoss", "Detection loss of points", extra="train"),
    "segmentation": Entry("inspector.tasks.losses.segmentation:SegmentationLoss", "Segmentation loss", extra="train"),
    "thermal": Entry("inspector.tasks.losses.thermal:ThermalLoss", "Thermal loss", extra="train"),
}

# How a task is learnt: callables with the interface of `ml.train.learner.Learner`.
LEARNERS: dict[str, Entry] = {
    "gradient": Entry("inspector.ml.train.fit:Fit", "Gradient descent", extra="train"),
}

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
        "feed": Entry("inspector.archive.recording.feeder_work:work", "Archive"),
    }
)

UNTRAINED = Entry("inspector.ml.export.untrained:write_untrained", "Building a network", extra="train")

NETWORKS: dict[str, NetworkEntry] = {
    "simple_cnn": NetworkEntry(
        "inspector.ml.networks.simple_cnn:build",
        "SimpleCNN",
        extra="train",
        tasks=("classification",),
        advised=2,
        megabytes=206.0,
        by_area=True,
        cost=Cost(0.36, 1070, 0, 285),
    ),
    "resnet50": NetworkEntry(
        "inspector.ml.networks.transfer:build_resnet50",
        "ResNet-50",
        extra="train",
        tasks=("classification",),
        pretrained=True,
        advised=3,
        megabytes=94.0,
        cost=Cost(26, 2680, 2.2, 786, still=0.66),
    ),
    "efficientnet_b0": NetworkEntry(
        "inspector.ml.networks.transfer:build_efficientnet_b0",
        "EfficientNet-B0",
        extra="train",
        tasks=("classification",),
        pretrained=True,
        megabytes=16.0,
        cost=Cost(6.7, 754, 0.74, 131, still=0.73),
    ),
    "efficientnet_lite0": NetworkEntry(
        "inspector.ml.networks.transfer:build_efficientnet_lite0",
        "EfficientNet-Lite0",
        extra="train",
        tasks=("classification",),
        pretrained=True,
        advised=1,
        megabytes=14.0,
        cost=Cost(4.3, 700, 0.31, 98, still=0.72),
    ),
    "simple_yolo": NetworkEntry(
        "inspector.ml.networks.simple_yolo:build",
        "SimpleYOLO",
        extra="train",
        tasks=("detection",),
        advised=2,
        megabytes=24.0,
        from_nothing={"options": {"filters": 24, "context": 3}},
        cost=Cost(0.69, 1670, 0, 480),
    ),
    "fpn_lite0": NetworkEntry(
        "inspector.ml.networks.fpn_lite0:build",
        "FPN on EfficientNet-Lite0",
        extra="train",
        tasks=("detection",),
        loss="detection_points",
        pretrained=True,
        advised=1,
        megabytes=13.0,
        cost=Cost(9, 751, 1.1, 172, still=0.78),
    ),
    "unet": NetworkEntry(
        "inspector.ml.networks.unet:build",
        "U-Net",
        extra="train",
        tasks=("segmentation",),
        advised=2,
        megabytes=124.0,
        cost=Cost(0, 25000, 0, 7600),
    ),
    "unet_effnet": NetworkEntry(
        "inspector.ml.networks.unet_effnet:build",
        "U-Net on EfficientNet-Lite0",
        extra="train",
        tasks=("segmentation",),
        pretrained=True,
        advised=1,
        megabytes=15.0,
        cost=Cost(8, 1530, 0.13, 495, still=0.88),
    ),
    "thermal_cnn": NetworkEntry(
        "inspector.ml.networks.thermal_cnn:build",
        "ThermalCNN",
        extra="train",
        tasks=("thermal",),
        advised=1,
        megabytes=206.0,
        by_area=True,
        cost=Cost(1.4, 1090, 0, 355),
    ),
}

# Replacement that runs an engine with `isolate` in a worker process.
ISOLATED = Entry("inspector.engines.remote:RemoteEngine", "Engine in a worker process")

ENGINES: dict[str, EngineEntry] = {
    "openvino": EngineEntry(
        "inspector.engines.openvino_runtime:OpenVinoEngine",
        "OpenVINO",
        software=("openvino",),
        precisions=("fp32", "bf16", "fp16", "int8"),
        files=True,
    ),
    "onnxruntime": EngineEntry(
        "inspector.engines.onnx_runtime:OnnxRuntimeEngine",
        "ONNX Runtime",
        software=("onnxruntime",),
        precisions=("fp32", "int8"),
        files=True,
    ),
    "tensorrt": EngineEntry(
        "inspector.engines.tensorrt:TensorRtEngine",
        "TensorRT",
        extra="gpu",
        software=("onnxruntime-gpu",),
        precisions=("fp32", "bf16", "fp16", "int8"),
        gated=True,
        files=True,
    ),
    "torch": EngineEntry(
        "inspector.engines.torch_eager:TorchEagerEngine",
        "PyTorch",
        extra="train",
        software=("torch",),
        isolate=True,
        weights=True,
    ),
    "torchscript": EngineEntry(
        "inspector.engines.torch_script:TorchScriptEngine",
        "TorchScript",
        extra="train",
        software=("torch",),
        isolate=True,
        precisions=("fp32", "bf16"),
        weights=True,
    ),
}

CAMERAS: Mapping[str, Entry] = MappingProxyType(
    {
        "simulated": Entry("inspector.cameras.simulated:SimulatedCamera", "Demo line"),
        "folder": Entry("inspector.cameras.folder:FolderCamera", "Image folder"),
        "video": Entry("inspector.cameras.video:VideoCamera", "Video file"),
        "usb": Entry("inspector.cameras.usb:UsbCamera", "USB camera"),
        "rtsp": Entry("inspector.cameras.network.rtsp:StreamCamera", "Network stream (RTSP/HTTP)"),
    }
)

# Where a part may be on record. Each `recorded(place, keys)` finds nothing in a place of another kind.
RECORDS: Mapping[str, Entry] = MappingProxyType(
    {
        "run": Entry("inspector.results.saving:recorded_in", "Records of a run"),
        "archive": Entry("inspector.archive.contents:recorded_in", "Archive"),
    }
)

TABS: Mapping[str, Entry] = MappingProxyType(
    {
        "picture": Entry("inspector.ui.tabs.picture:PictureTab", "Picture"),
        "classification": Entry("inspector.ui.tabs.classification:ClassificationTab", "Classification"),
        "detection": Entry("inspector.ui.tabs.detection:DetectionTab", "Detection"),
        "segmentation": Entry("inspector.ui.tabs.segmentation:SegmentationTab", "Segmentation"),
        "thermal": Entry("inspector.ui.tabs.thermal:ThermalTab", "Thermal"),
        "gradcam": Entry("inspector.ui.tabs.gradcam:GradCamTab", "Grad-CAM"),
    }
)
