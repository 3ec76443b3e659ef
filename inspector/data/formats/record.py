"""A labelled image, independent of the layout that it is stored in, and the helpers by which readers build it."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import Boxes
from inspector.data.formats.names import part_of_image, photographs
from inspector.data.formats.scan import Folder, image_header
from inspector.data.formats.shapes import IGNORED, Shape
from inspector.data.samples import Part, group_of

NO_DEFECT = "(none)"  # the stratum of samples without box or mask
# Class names by which tools of the field mark the background.
BACKGROUND = frozenset({"_background_", "__background__"})
_FAR = 0.02  # share of an image's side beyond which no rounding explains that a box reaches out
_MOST_FAR, _SEVERAL_FAR = 0.2, 3  # share and number of the boxes that reach out, from which they are for other images
_SURE = 3  # label files from which they no longer count as stray
_SHARE = 0.02  # or their share of the images


@dataclass(frozen=True, slots=True)
class Claim:
    """A layout's certainty (0..1) that a folder uses it, and the evidence."""

    sure: float
    why: Message


def claim(weight: float, used: float, total: int, why: Message) -> Claim | None:
    """Return the claim of a layout that understands `used` of `total` images; None if it understands none.

    `weight`: how conclusive its signs are. A layout that labels every image ranks above one that knows only a few; a stray file
    counts only for its few images.
    """
    if used <= 0 or not total:
        return None
    share = min(1.0, used / total)
    whole = used >= _SURE or share >= _SHARE
    return Claim(weight * (0.3 + 0.7 * share if whole else share), why)


@dataclass(frozen=True, slots=True)
class Record:
    """One image and all its labels.

    `name`: path relative to the data folder. `label`: class of the whole image. `shapes`: its objects; None if nobody looked
    for objects, empty if there are none. `mask`: file with a mask; `mask_class`: the meaning of its white pixels, None if pixel
    values are classes. `others`: further masks of the same kind, one for each object. `colours`: RGB colour of each mask value,
    for a mask in colours (see `MaskFile`). `any_value`: every nonzero mask value, however dark, means `mask_class`. `kelvin`:
    (maximum, mean, minimum). `confidence` (0..1]: certainty of the label. `part`: its part of the data's split. `group`: the
    part or lot, "" to take it from the name.
    """

    name: str
    path: Path
    label: str | None = None
    shapes: tuple[Shape, ...] | None = None
    mask: Path | None = None
    mask_class: str | None = None
    others: tuple[Path, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    any_value: bool = False
    kelvin: tuple[float, float, float] | None = None
    part: Part | None = None
    group: str = ""
    confidence: float = 1.0

    def group_by(self, pattern: str) -> str:
        """Return the part or lot: as given by the data, else by `group_of`."""
        return self.group if self.group and not pattern else group_of(self.name, pattern)

    def main_class(self) -> str:
        """Return the most frequent class of the objects, the first on a tie; "" without objects."""
        return Counter(shape.name for shape in self.objects).most_common(1)[0][0] if self.objects else ""

    @property
    def objects(self) -> tuple[Shape, ...]:
        """The shapes without ignored regions."""
        return tuple(shape for shape in self.shapes or () if shape.name != IGNORED)

    @property
    def ignored(self) -> tuple[Shape, ...]:
        """The regions whose content nobody labelled."""
        return tuple(shape for shape in self.shapes or () if shape.name == IGNORED)


@dataclass(slots=True)
class Listing:
    """The result of a reader.

    Holds the records, a sentence for everything left out, and the classes in the data's order (empty: sort by name). `missing`:
    images without a label.
    """

    layout: Message
    records: list[Record] = field(default_factory=list)
    problems: list[Message] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    missing: list[str] = field(default_factory=list)
    boxes: int = 0
    far_out: int = 0  # boxes that lie, or reach far, outside their images

    def measure(self, box: tuple[float, float, float, float], size: tuple[int, int]) -> None:
        """Count a box of an image of `size` (width, height), and whether it reaches far out of it."""
        limits = [max(2.0, _FAR * side) for side in size]
        self.boxes += 1
        self.far_out += min(box[0] / limits[0], box[1] / limits[1]) < -1 or any(
            end - side > limit for end, side, limit in zip(box[2:], size, limits, strict=True)
        )

    def check_places(self, folder: Path) -> None:
        """Raise ConfigError if many boxes lie outside their images, so that those inside cannot be right either."""
        if self.far_out >= _SEVERAL_FAR and self.far_out >= _MOST_FAR * self.boxes:
            raise ConfigError(
                "{count} of the {total} {total:|box|boxes} in {folder} reach out of their images: they are for images of "
                "another size, or "
                "their numbers mean something else.",
                remedy="Bring the images that the labels were drawn on, or export the labels again for these.",
                count=self.far_out,
                total=self.boxes,
                folder=folder,
            )

    def skip(self, sentence: str, path: Path) -> None:
        """Note that a file is not used; `sentence` contains {file}."""
        self.problems.append(message(sentence, file=path))

    def is_new(self, image: str | None, said: object, file: Path, listed: set[str]) -> TypeGuard[str]:
        """Return whether an entry `said` of a file with many images refers to an image that no earlier entry referred to.

        If not, a problem is noted.
        """
        if image is None:
            self.problems.append(message("{image} is listed in {file} but is not there.", image=said, file=file))
        elif image in listed:
            self.problems.append(message("{image} is listed twice; the first is used.", image=said, file=file))
        else:
            listed.add(image)
            return True
        return False

    def finish(self, folder: Folder, *, backgrounds: bool) -> None:
        """Note the images without a label. `backgrounds`: count them as good, if the labels are objects."""
        drawn = any(record.shapes is not None for record in self.records)
        if drawn:
            plain = set(photographs(folder))
            self.missing = [name for name in self.missing if name in plain]
        if not (drawn and self.missing):
            for name in self.missing:
                self.skip("{file} has no label and is not used.", folder.files[name])
        elif backgrounds:
            self.records += [Record(name, folder.files[name], shapes=(), part=part_of_image(name)) for name in self.missing]
            self.problems.append(
                message(
                    "{count} {count:|image has|images have} no label file; {count:|it counts|they count} as good, as "
                    "asked for.",
                    count=len(self.missing),
                )
            )
        else:
            self.problems.append(
                message(
                    "{count} {count:|image has|images have} no label file and {count:|is|are} not used; if "
                    "{count:|it shows a good part, let it|they show good parts, let them} count as good "
                    "(--backgrounds), as Ultralytics does.",
                    count=len(self.missing),
                )
            )
            for name in self.missing:
                self.skip("{file} has no label and is not used.", folder.files[name])


Tick = Callable[[], None]
Entry = TypeVar("Entry")


def listed_images(folder: Folder, entries: Iterable[tuple[str, str]]) -> set[str]:
    """Return the images that annotation files list, each given as (file, what it calls the image)."""
    found = (folder.find(said, file.rpartition("/")[0]) for file, said in entries)
    return {image for image in found if image is not None}


def new_entries(
    found: Listing, folder: Folder, entries: Iterable[tuple[str, str, Entry]], tick: Tick
) -> Iterator[tuple[str, Path, Entry]]:
    """Yield (image, file, entry) of each entry, given as (file, what it calls the image, entry).

    Only the first entry of an image is yielded; the others are noted as problems, and the images without an entry as missing.
    """
    listed: set[str] = set()
    for file, said, entry in entries:
        tick()
        path = folder.files[file]
        image = folder.find(said, file.rpartition("/")[0])
        if found.is_new(image, said, path, listed):
            yield image, path, entry
    found.missing += [name for name in folder.images if name not in listed]


def class_name(said: object) -> str:
    """Return a class name from an annotation file, on one line: other files list classes one per line."""
    text = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one for one in str(said))
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def labelled_size(image: Path, problems: list[Message]) -> tuple[int, int]:
    """Return (width, height) of an image whose labels are given in pixels or fractions of it.

    Raises ConfigError. A sentence is added to `problems` if a viewer that ignores the image's orientation would have shown the
    labels elsewhere.
    """
    size, turned = image_header(image)
    if turned:
        problems.append(
            message(
                "{file} is turned upright, as its camera noted; its labels count as drawn on the upright picture.", file=image
            )
        )
    return size


def boxes_of(shapes: Sequence[Shape], index: Mapping[str, int]) -> Boxes:
    """Return `Boxes` with score 1 and the given class indices."""
    xyxy = np.asarray([shape.box for shape in shapes], np.float32).reshape(-1, 4)
    classes: NDArray[np.int64] = np.asarray([index[shape.name] for shape in shapes], np.int64)
    return Boxes(xyxy, np.ones(len(xyxy), np.float32), classes)


def inside(shape: Shape, size: tuple[int, int], file: Path, problems: list[Message], *, slack: float = 1.0) -> Shape | None:
    """Return the shape with its box clipped to an image of `size` (width, height); None if nothing is left.

    Both cases add a sentence to `problems`, unless the box exceeds the image by at most `slack` pixels: the usual off-by-one
    between counting from 0 and from 1 is not reported.
    """
    box = shape.box
    if not shape.name:
        problems.append(message("{file}: an object without a class is left out.", file=file))
        return None
    cut = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(size[0])), min(box[3], float(size[1])))
    # Not "< 1": a box of half a pixel is drawn by mistake, one of 0.99 is a rounded one of 1.
    if not all(np.isfinite(box)) or cut[2] - cut[0] < 0.5 or cut[3] - cut[1] < 0.5:
        problems.append(
            message("{file}: the box of {name!r} is empty or outside the image; it is left out.", file=file, name=shape.name)
        )
        return None
    if any(abs(a - b) > slack for a, b in zip(box, cut, strict=True)):
        problems.append(
            message("{file}: a box of {name!r} reaches out of the image; it is clipped.", file=file, name=shape.name)
        )
    return replace(shape, box=cut)


def usable(shapes: Sequence[Shape | None], file: Path) -> tuple[Shape, ...]:
    """Return the shapes that `inside` leaves.

    Raises ConfigError if none of several is left: an image whose labels are all wrong is not an image without a defect.
    """
    left = tuple(shape for shape in shapes if shape is not None)
    if None in shapes and not any(shape.name != IGNORED for shape in left):
        raise ConfigError("{file}: none of its objects can be used, so its image is not used.", file=file)
    return left


def add_objects(
    listing: Listing,
    folder: Folder,
    name: str,
    file: Path,
    objects: Callable[[tuple[int, int]], Iterable[Shape | str]],
    *,
    said: tuple[float, float] = (0, 0),
    part: Part | None = None,
    shared: bool = False,
) -> None:
    """Add the record of an image.

    `objects` yields the shapes that `file` holds for an image of a size (width, height). For an object without area or of an
    unknown kind it yields the kind instead ("" if already reported). It may raise ConfigError, ValueError, TypeError,
    LookupError and AttributeError. `said`: the size stated in the file. `shared`: the file describes many images. An image of
    whose objects none is understood is noted and left out, so that it does not count as good.
    """
    path = folder.files[name]
    about = path if shared else file
    shapes: list[Shape | None] = []
    try:
        size = labelled_size(path, listing.problems)
        check_size(said, size, file, path)
        for item in objects(size):
            if isinstance(item, str):
                shapes.append(None)
                if item:
                    listing.problems.append(
                        message("{file}: a shape without area ({kind}) is left out.", file=about, kind=item)
                    )
            elif item.name not in BACKGROUND:
                listing.measure(item.box, size)
                shapes.append(inside(item, size, about, listing.problems))
        kept = usable(shapes, about)
    except ConfigError as error:
        listing.problems.append(error.problem)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        listing.problems.append(
            message("{file}: the labels of {image} are wrong ({detail}).", file=file, image=name, detail=error)
        )
    else:
        listing.records.append(Record(name, path, shapes=kept, part=part))


def with_labels(listing: Listing, folder: Folder, labels: Mapping[str, Sequence[str]]) -> None:
    """Set the whole-image labels of records, one each.

    If no image has drawn objects, these labels are all that is known. An image with several labels or none is then noted and
    left out.
    """
    if not any(labels.values()):
        return
    drawn = any(record.shapes for record in listing.records)
    kept = []
    for record in listing.records:
        own = labels.get(record.name, ())
        if len(own) == 1:
            kept.append(replace(record, label=own[0], shapes=record.shapes if drawn else None))
        elif drawn:
            kept.append(record)
        else:
            listing.problems.append(
                message(
                    "{file} has {count} labels and is not used: it can be of one class only.", file=record.path, count=len(own)
                )
            )
    listing.records = kept


def check_size(said: tuple[float, float], size: tuple[int, int], file: Path, image: Path) -> None:
    """Raise ConfigError if an annotation is for an image of another size; a size of (0, 0) is not checked."""
    if all(said) and said != size:
        raise ConfigError(
            "{file} is for an image of {said_width:.0f} x {said_height:.0f} px, but {image} has {width} x {height} px.",
            remedy="Label the image again, or bring the one it was drawn on.",
            file=file,
            image=image.name,
            said_width=said[0],
            said_height=said[1],
            width=size[0],
            height=size[1],
        )
