"""Data sets for methods that learn from good parts only: MVTec AD and AD 2, BTAD and data sets in the same layout.

    MVTec AD    train/good, test/good, test/<defect>, ground_truth/<defect>/*_mask.png
    MVTec LOCO  ...                    ground_truth/<defect>/<image>/*.png, a mask for each defect in an image
    MVTec AD 2  train/good, validation/good, test_public/good, test_public/bad, test_public/ground_truth/bad/*_mask.png
    BTAD        train/ok, test/ok, test/ko, ground_truth/ko/*

A network that learns from examples of both cannot be trained on such a training part, so all images are put together and split
anew. What lies in test_private has no label.
"""

from typing import NamedTuple

from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.data.formats.names import GOOD as GOOD_NAMES
from inspector.data.formats.names import MASK_ENDINGS, pair
from inspector.data.formats.record import Claim, Listing, Record, Tick, claim
from inspector.data.formats.scan import Folder, without_suffix

TITLE = message("MVTec AD")
EXPECTED = message("train/good/, test/<defect>/ and ground_truth/<defect>/ with *_mask.png")
_WEIGHT = 0.95
_TRAINED = frozenset({"train", "validation", "val"})
_TESTED = frozenset({"test", "test_public"})
_MASKS = "ground_truth"


class _Kind(NamedTuple):
    """The content of a folder: images, or their masks, of good parts or of a defect."""

    name: str
    masks: bool
    trained: bool


def _kind(folder: str) -> _Kind | None:
    """Return the content of a folder by its name; None if the folder has no role in such a data set."""
    pieces = folder.split("/")
    top, inner = pieces[0].lower(), pieces[1:]
    if top == _MASKS and inner:
        return _Kind(inner[0], True, False)
    if top in _TESTED and len(inner) > 1 and inner[0].lower() == _MASKS:
        return _Kind(inner[1], True, False)
    if (top in _TESTED or top in _TRAINED) and inner:
        return _Kind(inner[0], False, top in _TRAINED)
    return None


def _kinds(folder: Folder, base: str) -> dict[str, _Kind]:
    """Return a mapping from folder to content, for the images under `base`."""
    folders = {name.rpartition("/")[0] for name in folder.under(base.rstrip("/"))}
    kinds = {each: _kind(each[len(base) :]) for each in folders}
    return {each: kind for each, kind in kinds.items() if kind is not None}


def _bases(folder: Folder) -> list[str]:
    """Return the folders, with a trailing slash, that each hold a data set of this layout.

    There is one, or several as in the whole of MVTec AD.
    """
    found = []
    for name in sorted(folder.folders):
        above, _, last = name.rpartition("/")
        if last.lower() not in GOOD_NAMES or above.rpartition("/")[2].lower() != "train":
            continue
        base = above[: -len("train")]
        kinds = _kinds(folder, base).values()
        trained = {kind.name.lower() for kind in kinds if kind.trained}
        tested = {kind.name.lower() for kind in kinds if not kind.trained}
        if trained and trained <= GOOD_NAMES and tested and base.count("/") <= 1:
            found.append(base)
    return found


def look(folder: Folder) -> Claim | None:
    """Recognise folders with only good images for training and other images for the test, also in several data sets."""
    bases = _bases(folder)
    used = sum(
        name.rpartition("/")[0] in kinds
        for base in bases
        for kinds in [_kinds(folder, base)]
        for name in folder.under(base.rstrip("/"))
    )
    return claim(
        _WEIGHT,
        used,
        len(folder.images),
        message("{count} {count:|image lies|images lie} in train/good, test and ground_truth", count=used),
    )


def _by_image(images: list[str], masks: list[str]) -> dict[str, list[str]]:
    """Return the masks that lie in folders named as the images of a kind; empty if they do not lie so."""
    stems = {without_suffix(name).rpartition("/")[2]: name for name in images}
    found: dict[str, list[str]] = {}
    for mask in masks:
        image = stems.get(mask.rpartition("/")[0].rpartition("/")[2])
        if image is not None:
            found.setdefault(image, []).append(mask)
    return found


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the labels; the class of an image is its folder. Raises ConfigError for a folder with several such data sets."""
    found = Listing(TITLE)
    bases = _bases(folder)
    if len(bases) != 1:
        raise ConfigError(
            "{folder} holds several data sets: {names}.",
            remedy="Choose the folder of one of them.",
            folder=folder.root,
            names=", ".join(base.rstrip("/") for base in bases) or "-",
        )
    found.problems.append(
        message("The data's own training part shows good parts only; all images are put together and split anew.")
    )
    kinds = _kinds(folder, bases[0])
    images: dict[str, list[str]] = {}
    masks: dict[str, list[str]] = {}
    for name in folder.images:
        kind = kinds.get(name.rpartition("/")[0])
        if kind is None:
            found.missing.append(name)
        else:
            (masks if kind.masks else images).setdefault(kind.name, []).append(name)
    for label, names in images.items():
        good = label.lower() in GOOD_NAMES
        tested = [name for name in names if not kinds[name.rpartition("/")[0]].trained]
        several = _by_image(tested, masks.get(label, []))
        mask_of = {} if good else pair(tested, masks.get(label, []), endings=MASK_ENDINGS) if not several else {}
        for name in names:
            tick()
            own = several.get(name) or [mask_of[name]] if name in several or name in mask_of else []
            # Files are numbered anew in every folder, so the name alone is not a part.
            found.records.append(
                Record(
                    name,
                    folder.files[name],
                    label=label,
                    shapes=() if good else None,
                    mask=folder.files[own[0]] if own else None,
                    mask_class=label if own else None,
                    others=tuple(folder.files[mask] for mask in own[1:]),
                    any_value=bool(several),  # each kind of defect has a value of its own
                    group=without_suffix(name),
                )
            )
        for name in sorted(set(masks.pop(label, [])).difference(mask_of.values(), *several.values())):
            found.skip("{file} has no image.", folder.files[name])
    for name in (name for names in masks.values() for name in names):
        found.skip("{file} has no image.", folder.files[name])
    return found
