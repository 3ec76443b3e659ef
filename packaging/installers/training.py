"""The training pack: what the station lacks for training, Grad-CAM and exporting, as a folder to lay over an installed program.

training/               the packages
training-licenses/      their licences
training-sbom.cdx.json  what is in it
"""

import csv
import shutil
from pathlib import Path

import cpu_torch
import elf
import inventory
import linux_stage
import rules
import slim
import stage
from stage import BUILD, Release, say

# Of these the bytecode is enough. torch, torchvision, timm, onnxscript and nncf read sources, to make graphs of them.
_BYTECODE_ONLY = (
    "fsspec",
    "google",
    "huggingface_hub",
    "joblib",
    "mpmath",
    "narwhals",
    "networkx",
    "scipy",
    "setuptools",
    "sklearn",
    "sympy",
)


def build(system: str, folder: Path, wheel: Path, release: Release, python: list[Path]) -> Path:
    """Make the pack for the program in `folder` and return its folder. `python`: compiles the modules."""
    pack = BUILD / f"{system}-training"
    shutil.rmtree(pack, ignore_errors=True)
    site = pack / "training"
    site.mkdir(parents=True)
    whole = BUILD / f"{system}-whole"
    platform = linux_stage.PLATFORM if system == "linux" else stage.WINDOWS
    say("installing the packages of the training pack")
    stage.install(whole, wheel, platform=platform, extras=stage.EXTRAS)
    here = {name for name, _version, _metadata in inventory.distributions(folder / "site")}
    for info in sorted(whole.glob("*.dist-info")):
        if inventory.name_of(info) not in here:
            _move(whole, info, site)
    shutil.rmtree(whole)
    inventory.collect_licenses(site, pack / "training-licenses")
    say(f"left out {rules.trim(site, rules.TRAINING_DROPPED)} files")
    if system == "linux":
        names = cpu_torch.replace_cuda(site, system=linux_stage.OF_THE_SYSTEM)
        say(f"made stand-ins for {', '.join(names)}")
        slim.strip(site)
        dropped = sum(elf.drop_gpu_code(path) for path in linux_stage.libraries(site))
        say(f"left out {dropped / 1e6:.0f} MB of code for NVIDIA cards")
    stage.compile_modules(python, [site])
    slim.drop_sources(site, _BYTECODE_ONLY)
    slim.shorten_metadata(site)
    inventory.write_sbom(pack, release, {}, part="training")
    (pack / inventory.SBOM).rename(pack / "training-sbom.cdx.json")
    stage.settle(pack, release)
    return pack


def _move(whole: Path, info: Path, site: Path) -> None:
    """Move every file of a package, as its own record lists them."""
    with (info / "RECORD").open(encoding="utf-8", newline="") as file:
        names = [row[0] for row in csv.reader(file)]
    for name in names:
        source = whole / name
        if ".." not in Path(name).parts and source.is_file():
            target = site / name
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
