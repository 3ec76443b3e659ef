"""How the shipped bundles are trained on the demo line."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Parts of the training data: more faults than the line makes, because good parts add little information.
PARTS = 1600
SEED = 1
GOOD = 0.1


@dataclass(frozen=True, slots=True)
class DemoBundle:
    """One shipped bundle. `data`: folder of the demo data. `settings`: values for `TrainSettings`, without paths."""

    data: str
    settings: Mapping[str, object]


# One thread each, several trainings at once: small networks gain little from a second thread, and lose on a busy machine.
_COMMON: Mapping[str, object] = MappingProxyType({"seed": 1, "threads": 1})

DEMO_BUNDLES: Mapping[str, DemoBundle] = MappingProxyType(
    {
        "plate-mask": DemoBundle(
            "plate-masks",
            {
                **_COMMON,
                "task": "segmentation",
                "network": "unet",
                "options": {"filters": 8},
                "width": 192,
                "height": 192,
                "epochs": 14,
                "batch": 4,
                "loss": "focal_dice",
                "lr": 3e-3,
            },
        ),
        "plate-defects": DemoBundle(
            "plate-boxes",
            {
                **_COMMON,
                "task": "detection",
                "network": "simple_yolo",
                "options": {"filters": 16, "context": 2},
                "width": 224,
                "height": 224,
                "epochs": 18,
                "batch": 16,
                "lr": 2e-3,
            },
        ),
        "equipment-temperature": DemoBundle(
            "thermal",
            {
                **_COMMON,
                "task": "thermal",
                "network": "thermal_cnn",
                "options": {"head": "stats", "filters": 8},
                "width": 160,
                "height": 120,
                "levels": (280.0, 484.0),  # kelvin; 0.8 a grey level
                "epochs": 12,
                "batch": 16,
                "lr": 2e-3,
            },
        ),
        "window-state": DemoBundle(
            "window",
            {
                **_COMMON,
                "task": "classification",
                "network": "simple_cnn",
                "options": {"head": "gap", "filters": 16, "dropout": 0.2},
                "width": 128,
                "height": 128,
                "epochs": 6,
                "batch": 16,
                "lr": 3e-3,
                "ok_classes": ("normal",),
            },
        ),
    }
)
