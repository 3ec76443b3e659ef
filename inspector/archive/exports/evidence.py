"""An evidence pack: a BagIt folder (RFC 8493) of inspections that can be read and checked without this program."""

import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from inspector import __version__
from inspector.archive.archive import Archive
from inspector.archive.contents import event_content
from inspector.archive.images import file_name
from inspector.archive.reading import read_part
from inspector.archive.store.query import chain_after, documents, name_of
from inspector.core.errors import ConfigError
from inspector.core.storage.durable import replace_durably
from inspector.core.storage.temporary import make_temporary
from inspector.core.types import Pixels
from inspector.imaging.colormaps import PALETTES
from inspector.results.overlays import HEAT_OPACITY, HEAT_PALETTE, draw, heat_picture
from inspector.results.record_file import refused

_READ_ME: Final = """Evidence of inspections, as a BagIt bag (RFC 8493). Any BagIt tool checks that it is whole.

data/ID/record.json     the record as the station wrote it
data/ID/*.png, *.tiff   the images, lossless (TIFF: kelvin in float32)
data/ID/*-overlay.png   what was found, drawn on it
data/ID/*-heat.png      of an NG part, if it was kept: where the bundle looked that made it NG, drawn on the image
data/ID/heat.json       the record of that
data/ID/proof.json      the record's place in the station's hash chain, up to the next signature (Ed25519)
data/documents/         the recipes and the cards of the bundles, by their hashes
A hash is SHA-256 over the hash before (32 bytes), the sequence number (8 bytes, little-endian) and the payload. A signature is
over the text "inspector seal JOURNAL SEQUENCE HASH". packaging/verify_archive.py checks all of it and needs only Python.
"""


MISSING: Final = "-missing.txt"  # end of the name of a file that says why there is no image


def write_evidence(
    archive: Archive,
    keys: Sequence[int],
    folder: Path,
    *,
    who: str = "",
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Path:
    """Write the inspections to a new folder. Raises ConfigError if it exists or there is nothing, StorageError for the disk.

    The folder is there when it is whole. The audit trail says who has it. What `progress` raises ends it.
    """
    if folder.exists():
        raise ConfigError("{folder} exists already.", remedy="Name a new folder.", folder=folder)
    if not keys:
        raise ConfigError("There is no such inspection in the archive.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = make_temporary(folder.parent, f".{folder.name}.")
    except OSError as error:
        raise refused(folder, error) from error
    data = partial / "data"
    try:
        data.mkdir()
        digests: set[str] = set()
        for done, key in enumerate(keys):
            progress(done, len(keys))
            digests |= _write_inspection(archive, key, data)
        _write_documents(archive, digests, data / "documents")
        (data / "README.txt").write_text(_READ_ME, "utf-8")
        _seal_bag(partial, len(keys), who)
        partial.chmod(0o755)
        replace_durably(partial, folder)
    except OSError as error:
        raise refused(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    archive.write(event_content("export", who=who, target=str(folder), inspections=len(keys)))
    return folder


def proof_of(archive: Archive, key: int) -> dict[str, Any]:
    """Return the chain from before an inspection's record to the next seal, for a file."""
    chain = chain_after(archive.database, key)
    records = [
        {
            "sequence": record.sequence,
            "payload": base64.b64encode(record.payload).decode(),
            "hash": record.digest.hex(),
            **({"seal": record.seal.hex()} if record.seal else {}),
        }
        for record in chain["records"]
    ]
    return {**chain, "before": chain["before"].hex(), "records": records}


def _write_inspection(archive: Archive, key: int, data: Path) -> set[str]:
    """Write one inspection; return the digests of its recipe and cards."""
    read = read_part(archive, key)
    found, frames = read.found, read.inspection.frames
    place = data / name_of(archive.database, key)
    place.mkdir()
    record: Mapping[str, Any] = found["record"]
    _write_json(place / "record.json", record)
    _write_json(place / "proof.json", proof_of(archive, key))
    if found["corrections"]:
        _write_json(place / "corrections.json", [dict(one) for one in found["corrections"]])
    for camera in {str(file["camera"]) for file in found["image_files"]} - frames.keys():
        said = "\n".join(problem.text for problem in read.problems)
        (place / f"{file_name(camera)}{MISSING}").write_text(f"{said}\n", "utf-8")
    for camera, picture in draw(read.inspection).items():
        write_native(place / file_name(camera), frames[camera].pixels)
        _write_png(place / f"{file_name(camera)}-overlay.png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if read.heat:
        _write_json(place / "heat.json", found["heat"][-1])
    shown = [one for one in read.heat if one.camera in frames]
    for number, one in enumerate(shown):
        again = sum(other.camera == one.camera for other in shown[:number])
        name = f"{file_name(one.camera)}{f'-{again + 1}' if again else ''}-heat.png"
        overlay = heat_picture(frames[one.camera].pixels, one.heat, PALETTES[HEAT_PALETTE], HEAT_OPACITY)
        _write_png(place / name, cv2.cvtColor(overlay, cv2.COLOR_RGB2BGR))
    recipe = record.get("internal_recipe_id", {}).get("hash", "")
    return {recipe, *record.get("internal_configuration_id", {}).values()}


def _write_documents(archive: Archive, digests: set[str], folder: Path) -> None:
    folder.mkdir()
    for digest, text in documents(archive.database, digests).items():
        (folder / f"{digest}.json").write_text(text, "utf-8")


def write_native(place: Path, pixels: Pixels) -> None:
    """Write pixels at their own depth as `place`.png, kelvin as `place`.tiff. Raises OSError."""
    if pixels.dtype == np.float32:
        import tifffile

        tifffile.imwrite(place.with_name(f"{place.name}.tiff"), pixels)
    else:
        bgr = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        _write_png(place.with_name(f"{place.name}.png"), bgr)


def _write_png(path: Path, bgr: cv2.typing.MatLike) -> None:
    done, data = cv2.imencode(".png", bgr)
    if not done:
        raise OSError(f"{path.name} cannot be encoded")
    path.write_bytes(data.tobytes())


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), "utf-8")


def _seal_bag(folder: Path, count: int, who: str) -> None:
    """Write the manifests. Names in the bag are ASCII letters, digits, dots, dashes and underscores only."""
    files = sorted(path for path in (folder / "data").rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    _manifest(folder, "manifest-sha256.txt", files)
    (folder / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", "utf-8")
    lines = [
        f"Bag-Software-Agent: inspector {__version__}",
        f"Bagging-Date: {datetime.now(UTC):%Y-%m-%d}",
        f"Payload-Oxum: {size}.{len(files)}",
        f"External-Description: {count} inspections",
    ]
    if who:
        lines.append(f"Contact-Name: {' '.join(who.split())}")
    (folder / "bag-info.txt").write_text("\n".join(lines) + "\n", "utf-8")
    tags = [folder / name for name in ("bag-info.txt", "bagit.txt", "manifest-sha256.txt")]
    _manifest(folder, "tagmanifest-sha256.txt", tags)


def _manifest(folder: Path, name: str, files: Sequence[Path]) -> None:
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}" for path in files]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
