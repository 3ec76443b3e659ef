"""Archives on the move: a copy to keep, its return, and records of another station's archive."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inspector.archive.archive import Archive
from inspector.archive.contents import event_content
from inspector.archive.images import IMAGES
from inspector.archive.recording.journal import JOURNALS
from inspector.archive.store.database import FILE, Database, open_database
from inspector.archive.store.feeder import Feeder, import_records
from inspector.archive.store.retention import FILE as POLICY
from inspector.archive.store.verify import Proof, verify
from inspector.core.errors import ConfigError, StorageError
from inspector.core.storage.durable import replace_durably, sync_file, sync_folder
from inspector.core.storage.temporary import temporary_folder
from inspector.results.record_file import refused

_PARTIAL: Final = ".partial"


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, and the proof of the copy."""

    images: int
    proof: Proof


def back_up(archive: Archive, target: Path, *, who: str = "") -> Copied:
    """Copy the archive to a folder while the line runs; what is there already from an earlier copy is kept.

    The station's private key stays where it is. Raises ConfigError for a database server, and StorageError.
    """
    if not archive.database.is_sqlite:
        raise ConfigError("A database server is backed up with its own tools, for example pg_dump.")
    partial = target / f"{FILE}{_PARTIAL}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(archive.folder / FILE)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
        replace_durably(partial, target / FILE)
        _copy_policy(archive.folder, target)
        images = _copy_new(archive.folder / IMAGES, target / IMAGES)
        _copy_new(archive.folder / JOURNALS, target / JOURNALS, changed=True)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise _refused(target, error) from error
    proof = _proof_of(target)
    archive.write(event_content("backup", who=who, target=str(target), images=images, records=proof.records))
    return Copied(images, proof)


def restore(source: Path, folder: Path) -> Copied:
    """Copy a back-up to where there is no archive. Raises ConfigError and StorageError; then `folder` is as it was."""
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("There is an archive in {folder} already.", remedy="Move it away first.", folder=folder)
    if not (source / FILE).is_file():
        raise ConfigError("There is no back-up of an archive in {folder}.", folder=source)
    _refuse_links(source)
    proof = _proof_of(source)
    if not proof.sound:
        raise StorageError("The back-up in {folder} is damaged: {why}", folder=source, why=proof.problems[0])
    partial = folder.with_name(folder.name + _PARTIAL)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        shutil.copy2(source / FILE, partial / FILE)
        _copy_policy(source, partial)
        images = _copy_new(source / IMAGES, partial / IMAGES, durable=False)
        _copy_new(source / JOURNALS, partial / JOURNALS, durable=False)
        if folder.exists():
            folder.rmdir()
        replace_durably(partial, folder)
    except OSError as error:
        raise _refused(folder, error) from error
    return Copied(images, proof)


def import_archive(archive: Archive, source: Path, *, who: str = "") -> tuple[int, list[str]]:
    """Take over the records and images of another archive's folder, each once.

    Returns the number of new records, and the journals that are left out as `import_records` says. What is not sound there is
    refused, and nothing is written there. Raises ConfigError and StorageError.
    """
    if source.resolve() == archive.folder.resolve():
        raise ConfigError("An archive cannot take over itself.")
    if not (source / FILE).is_file() and not (source / JOURNALS).is_dir():
        raise ConfigError("There is no archive in {folder}.", folder=source)
    _refuse_links(source)
    with _opened_copy(source) as other:
        Feeder(source, other).feed()  # what the other station's database does not have yet
        proof = verify(other, source)
        if not proof.sound:
            raise StorageError("The archive in {folder} is not sound: {why}", folder=source, why=proof.problems[0])
        try:
            _copy_new(source / IMAGES, archive.folder / IMAGES)
        except OSError as error:
            raise _refused(archive.folder, error) from error
        count, left_out = import_records(archive.database, other)
    archive.write(event_content("import", who=who, source=str(source), records=count, left_out=left_out))
    return count, left_out


def _proof_of(folder: Path) -> Proof:
    with _opened_copy(folder) as database:
        return verify(database, folder)


@contextlib.contextmanager
def _opened_copy(folder: Path) -> Iterator[Database]:
    """Open a copy of a database that is to stay as it is, perhaps on a medium that cannot be written. Raises StorageError."""
    with temporary_folder() as copy:
        try:
            for file in (FILE, f"{FILE}-wal"):  # what has not been taken over into the file yet is in the other one
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(folder / file, copy / file)
        except OSError as error:
            raise _refused(folder, error) from error
        with closing(open_database(copy, called=folder / FILE)) as database:
            yield database


def _copy_policy(source: Path, target: Path) -> None:
    """Copy for how long what is kept: without it a restored archive would soon delete what is to stay."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source / POLICY, target / POLICY)


def _copy_new(source: Path, target: Path, *, changed: bool = False, durable: bool = True) -> int:
    """Copy the files that are not there yet, and with `changed` those that were written since; return how many.

    `durable`: a file has its name only once its content is on the disk, because what is there is not copied again.
    """
    count = 0
    folders: set[Path] = set()
    for path in _files(source):
        copy = target / path.relative_to(source)
        if copy.exists() and not (changed and _written(copy) != _written(path)):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = copy.with_name(copy.name + _PARTIAL)
        try:
            shutil.copy2(path, partial)
            if durable:
                sync_file(partial)
            partial.replace(copy)
        finally:
            partial.unlink(missing_ok=True)
        folders.add(copy.parent)
        count += 1
    for folder in folders if durable else ():
        sync_folder(folder)
    return count


def _written(path: Path) -> tuple[int, int]:
    """Return the size of a file and when it was written, in steps that every file system keeps."""
    facts = path.stat()
    return facts.st_size, int(facts.st_mtime) // 2


def _refuse_links(source: Path) -> None:
    """Raise ConfigError if images or journals from elsewhere are a link to another place of this computer."""
    for folder in (source / IMAGES, source / JOURNALS):
        if not folder.resolve().is_relative_to(source.resolve()):
            raise ConfigError(
                "{folder} is a link that leads out of the archive; it is not followed.",
                remedy="Put what it leads to in its place, and try again.",
                folder=folder,
            )


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, without links, which may lead anywhere."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and not path.is_symlink() and path.name != ".reserve":
            yield path


def _refused(folder: Path, error: Exception) -> StorageError:
    if isinstance(error, OSError):
        return refused(folder, error)
    return StorageError("The archive cannot be copied to {folder} ({detail}).", folder=folder, detail=error)
