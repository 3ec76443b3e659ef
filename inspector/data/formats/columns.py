"""The .csv files of a data folder: their first lines, and their rows by column name."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.data.formats.names import PARTS, part_of_image
from inspector.data.formats.scan import Folder, peek, read_text, without_suffix
from inspector.data.samples import Part

PATH = ("path", "file", "filename", "file_name", "image", "image_path", "filepath", "image_id", "imageid", "img")
LABEL = ("label", "class", "class_name", "category", "target", "labelname", "classname", "choice")
SPLIT = ("split", "set", "subset", "fold")
_LARGEST = 256 << 20
_DEEPEST = 2  # folders down to which tables are looked for
_LOOKED_AT = 32
_SEEN_ROWS = 40


@dataclass(frozen=True, slots=True)
class Table:
    """A .csv file: its column names in lower case, and its first rows."""

    name: str
    path: Path
    columns: tuple[str, ...]
    first: tuple[tuple[str, ...], ...]

    def place(self, names: Sequence[str]) -> int | None:
        """Return the index of the column with one of these names; None if there is none."""
        return next((self.columns.index(name) for name in names if name in self.columns), None)

    def has(self, *names: Sequence[str]) -> bool:
        """Return whether there is a column for each of these lists of names."""
        return all(self.place(each) is not None for each in names)

    @property
    def folder(self) -> str:
        """The folder of the file, to which its paths may be relative."""
        return self.name.rpartition("/")[0]

    @property
    def part(self) -> Part | None:
        """The part of a split named by the file ("train.csv") or its folder."""
        return PARTS.get(without_suffix(self.name).rpartition("/")[2].lower()) or part_of_image(self.name)

    def find(self, folder: Folder, said: str) -> str | None:
        """Return the image named by a cell; some tables omit the suffix."""
        suffixes = ("", ".jpg", ".png", ".jpeg", ".bmp", ".tif") if said else ()
        return next((image for each in suffixes if (image := folder.find(f"{said}{each}", self.folder)) is not None), None)

    def known(self, folder: Folder, column: int) -> float:
        """Return the share of the first rows whose file in this column exists in the folder."""
        said = [row[column].strip() for row in self.first if len(row) > column]
        return sum(self.find(folder, one) is not None for one in said) / len(said) if said else 0.0

    def rows(self, *, header: bool = True) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of each row that is not empty. Raises ConfigError."""
        text = read_text(self.path, limit=_LARGEST)
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text[:4096].split("\n", 1)[0]))
            if header:
                next(reader, None)
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise ConfigError("{file} cannot be read ({detail}).", file=self.path, detail=error) from error

    def lines(self) -> int:
        """Return the approximate number of rows."""
        try:
            return self.path.read_bytes().count(b"\n")
        except OSError:
            return 0


def tables(folder: Folder) -> Iterator[Table]:
    """Yield the .csv files near the top of a folder, the topmost first."""
    names = sorted(folder.with_suffix(".csv"), key=lambda name: (name.count("/"), name))
    for name in names[:_LOOKED_AT]:
        if name.count("/") > _DEEPEST:
            continue
        head = peek(folder.files[name])[:8192].decode("utf-8-sig", "replace")
        try:
            rows = list(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter(head.split("\n", 1)[0])))
        except csv.Error:
            continue
        if rows and rows[0]:
            columns = tuple(cell.strip().lower() for cell in rows[0])
            whole = [row for row in rows[1 : _SEEN_ROWS + 1] if len(row) == len(rows[0])]
            yield Table(name, folder.files[name], columns, tuple(tuple(row) for row in whole))


def cell(row: Sequence[str], place: int | None) -> str:
    """Return the text of a cell; "" if the column or the row's cell is missing."""
    return "" if place is None or place >= len(row) else row[place].strip()


def delimiter(line: str) -> str:
    """Return the separator between the cells of a line."""
    return max(",;\t", key=line.count)
