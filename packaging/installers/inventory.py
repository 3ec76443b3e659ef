"""What is inside: a CycloneDX list of the packages, and their licences."""

import json
import shutil
import uuid
from collections.abc import Mapping
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from stage import Release

SBOM = "sbom.cdx.json"
_LICENSE_NAMES = ("licen", "copying", "notice", "copyright", "authors", "thirdparty", "third_party")


def distributions(site: Path) -> list[tuple[str, str, Message]]:
    """Return name, version and metadata of every package in `site`, sorted."""
    found = []
    for file in site.glob("*.dist-info/METADATA"):
        metadata = HeaderParser().parsestr(file.read_text("utf-8", "replace"))
        found.append((str(metadata["Name"]), str(metadata["Version"]), metadata))
    return sorted(found, key=lambda entry: entry[0].lower())


def name_of(info: Path) -> str:
    """Return the name of the package with this .dist-info folder."""
    return str(HeaderParser().parsestr((info / "METADATA").read_text("utf-8", "replace"))["Name"])


def collect_licenses(site: Path, target: Path) -> None:
    """Copy every licence text that the packages bring along to `target`, a folder for each package."""
    for info in sorted(site.glob("*.dist-info")):
        name = info.name.removesuffix(".dist-info")
        package = site / name.partition("-")[0]
        for place in (info, package):
            for path in sorted(place.rglob("*")) if place.is_dir() else ():
                if (
                    path.is_file()
                    and path.name.lower().startswith(_LICENSE_NAMES)
                    and path.suffix not in {".py", ".pyc", ".so"}
                ):
                    where = target / name / "-".join(path.relative_to(place).parts)
                    where.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, where)


def license_of(metadata: Message) -> str:
    """Return a package's licence as its metadata name it: an SPDX expression, a short text or a classifier."""
    expression = metadata["License-Expression"] or ""
    text = (metadata["License"] or "").strip().splitlines()
    classifiers = [
        str(value).split(" :: ")[-1] for value in metadata.get_all("Classifier", []) if str(value).startswith("License ::")
    ]
    return expression or (text[0][:100] if text else "") or ", ".join(classifiers) or "see its files"


def write_sbom(folder: Path, release: Release, debian: Mapping[str, str], *, part: str = "site") -> Path:
    """Write `sbom.cdx.json` (CycloneDX 1.6) for the packages in `folder/part` and the Debian packages, and return it."""
    components: list[dict[str, Any]] = []
    for name, version, metadata in distributions(folder / part):
        if name != "inspector":
            purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
            licence = [{"license": {"name": license_of(metadata)}}]
            components.append(
                {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl, "licenses": licence}
            )
    for name, version in sorted(debian.items()):
        purl = f"pkg:deb/debian/{name}@{version}?arch=amd64"
        components.append({"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl})
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{release.commit}/{part}')}",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": "inspector", "version": release.version, "bom-ref": "inspector"}
        },
        "components": components,
        "dependencies": [{"ref": "inspector", "dependsOn": [component["bom-ref"] for component in components]}],
    }
    file = folder / SBOM
    file.write_text(json.dumps(bom, indent=1) + "\n", "utf-8")
    return file
