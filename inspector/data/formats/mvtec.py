"""MVTec AD: train/good/*, test/good/*, test/<defect>/* and ground_truth/<defect>/*_mask.png.

Its training part shows good parts only, for methods that learn without defects. A network that learns from examples of both
cannot be trained on that, so all images are put together and split anew.
"""

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.record import Listing, Record, Tick
from inspector.data.formats.scan import Folder, without_suffix

TITLE = message("MVTec AD")
EXPECTED = message("train/good/, test/<defect>/ and ground_truth/<defect>/ with *_mask.png")
GOOD = "good"


def matches(folder: Folder) -> bool:
    """Return whether there are good ones only for training, and others for the test; also in each of several folders."""
    return bool(_several(folder)) or _one(folder)


def _several(folder: Folder) -> list[str]:
    """Return the folders that each hold a data set of this layout, as the whole of MVTec AD does."""
    kinds = sorted(name.removesuffix("/train/good") for name in folder.folders if name.endswith("/train/good"))
    return [kind for kind in kinds if "/" not in kind and f"{kind}/test" in folder.folders]


def _one(folder: Folder) -> bool:
    trained = {name for name in folder.folders if name.startswith("train/")}
    tested = {name for name in folder.folders if name.startswith("test/")}
    return trained == {"train/good"} and bool(tested)


def read(folder: Folder, tick: Tick) -> Listing:
    """The class of an image is its folder. Raises ConfigError for a folder of several such data sets."""
    found = Listing(TITLE)
    if not _one(folder):
        raise ConfigError(
            "{folder} holds several data sets: {names}.",
            remedy="Choose the folder of one of them.",
            folder=folder.root,
            names=", ".join(_several(folder)),
        )
    found.problems.append(
        message("The data's own training part shows good parts only; all images are put together and split anew.")
    )
    used = set()
    for name in [*folder.under("train"), *folder.under("test")]:
        tick()
        _, kind, *rest = name.split("/")
        if not rest:
            found.unlabelled(folder, [name])
            continue
        stem = f"ground_truth/{kind}/{without_suffix('/'.join(rest))}"
        mask = next((each for each in (f"{stem}_mask.png", f"{stem}.png") if each in folder.files), None)
        if mask is not None:
            used.add(mask)
        # Files are numbered anew in every folder, so the name alone is not a part.
        found.records.append(
            Record(
                name,
                folder.files[name],
                label=kind,
                shapes=() if kind == GOOD else None,
                mask=folder.files[mask] if mask else None,
                mask_class=kind if mask else None,
                group=without_suffix(name),
            )
        )
    for name in folder.under("ground_truth"):
        if name not in used:
            found.skip("{file} has no image.", folder.files[name])
    return found
