"""DAGM 2007: Class1/Train/*.PNG, Labels.txt, and the masks of defective images in Class1/Train/Label/*_label.PNG.

An image that Labels.txt lists without a mask is good.
"""

from inspector.core.message import message
from inspector.data.formats.names import part_of_folder, spread
from inspector.data.formats.record import Claim, Listing, Record, Tick, claim
from inspector.data.formats.scan import Folder, peek, read_text, without_suffix

TITLE = message("DAGM")
EXPECTED = message("Class1/Train/ with images, and Label/ in it with Labels.txt and *_label.PNG")
_WEIGHT = 1.0
_LIST = "labels.txt"


def _lists(folder: Folder) -> list[str]:
    lists = [name for name in folder.with_suffix(".txt") if name.lower().endswith(f"label/{_LIST}")]
    seen = spread(lists, 20)
    return lists if any(b".png" in peek(folder.files[name]).lower() for name in seen) else []


def look(folder: Folder) -> Claim | None:
    """Recognise images next to such lists."""
    places = [name[: -len("label/") - len(_LIST)] for name in _lists(folder)]
    used = sum(name.startswith(tuple(places)) for name in folder.images) if places else 0
    return claim(
        _WEIGHT,
        used,
        len(folder.images),
        message("{count} {count:|image lies|images lie} beside a Label/Labels.txt of DAGM", count=used),
    )


def read(folder: Folder, tick: Tick) -> Listing:
    """Read the labels; each texture folder is one class of defects."""
    found = Listing(TITLE)
    known: set[str] = set()
    for name in _lists(folder):
        place, inside = name[: -len("label/") - len(_LIST)], name.rpartition("/")[0]
        pieces = [piece for piece in place.strip("/").split("/") if piece]
        part = part_of_folder(pieces[-1]) if pieces else None
        texture = next((piece for piece in reversed(pieces) if part_of_folder(piece) is None), "defect")
        for words in (line.split() for line in read_text(folder.files[name]).splitlines()):
            tick()
            if len(words) < 5:
                continue
            image, mask = folder.exact(f"{place}{words[2]}"), folder.exact(f"{inside}/{words[4]}")
            defective = words[4] != "0"
            if image is None or (defective and mask is None):
                lost = words[2] if image is None else words[4]
                found.problems.append(
                    message("{image} is listed in {file} but is not there.", image=lost, file=folder.files[name])
                )
                continue
            known.update((image, mask or image))
            found.records.append(
                Record(
                    image,
                    folder.files[image],
                    label=texture if defective else "good",
                    shapes=None if defective else (),
                    mask=folder.files[mask] if mask is not None and defective else None,
                    mask_class=texture if defective else None,
                    part=part,
                    group=without_suffix(image),
                )
            )
    found.missing += [name for name in folder.images if name not in known]
    return found
