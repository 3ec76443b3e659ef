"""The .csv files of a data folder: their first lines, and their rows by column name.

Names of columns count without case, spaces and punctuation: "Class Name" is "class_name". Where no column is named as one of
image files, it is the column whose cells are images of the folder; so is the first line read as a row if an image stands in it.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.data.formats.names import PARTS, part_of_image
from inspector.data.formats.scan import Folder, peek, read_text, without_suffix
from inspector.data.samples import Part

PATH = (
    "path",
    "file",
    "filename",
    "file_name",
    "image",
    "image_path",
    "filepath",
    "image_id",
    "imageid",
    "img",
    "画像",
    "ファイル名",
)
LABEL = (
    *("label", "class", "class_name", "category", "target", "labelname", "classname", "choice", "label_name", "labels"),
    *("defect", "defect_type", "type", "kind", "tag", "クラス", "ラベル", "分類", "カテゴリ", "欠陥", "欠陥種別", "判定"),
)
SPLIT = ("split", "set", "subset", "fold")
# Google's AutoML and Vertex AI write no header line: split, file, class and the corners of the box, of which two may be empty.
_OF_GOOGLE = ("split", "path", "label", "xmin", "ymin", "right1", "top1", "xmax", "ymax", "left2", "bottom2")
_SPLITS_OF_GOOGLE = frozenset({"TRAIN", "TRAINING", "VALIDATION", "VALIDATE", "TEST", "UNASSIGNED"})
_LARGEST = 256 << 20
_DEEPEST = 2  # folders down to which tables are looked for
_LOOKED_AT = 32
_SEEN_ROWS = 40
_TRIED = 8  # rows by which a column of images is found
_CODE = ("/m/", "/g/", "/j/", "/t/")
_SEPARATOR = re.compile(r"sep=(.)\r?\n")  # a first line by which Excel is told what separates cells
_DECIMAL_COMMA = re.compile(r"\s*-?\d+,\d+\s*")


@dataclass(frozen=True, slots=True)
class Table:
    """A .csv file.

    `titles`: the names of its columns as written; numbers if the first line is a row. `columns`: the same as they are compared.
    `first`: its first rows. `image`: the column of images. `separator`: what stands between cells. `skipped`: lines before the
    first row.
    """

    name: str
    path: Path
    titles: tuple[str, ...]
    columns: tuple[str, ...]
    first: tuple[tuple[str, ...], ...]
    image: int | None
    separator: str
    skipped: int

    def place(self, names: Sequence[str]) -> int | None:
        """Return the index of the column with one of these names; None if there is none."""
        return _place(self.columns, tuple(names))

    def has(self, *names: Sequence[str]) -> bool:
        """Return whether there is a column for each of these lists of names."""
        return all(self.place(each) is not None for each in names)

    @property
    def label(self) -> int | None:
        """The column of classes: the one named so, else the only one beside that of the images."""
        place = self.place(LABEL)
        if place is None and self.image is not None and len(self.columns) == 2:
            return 1 - self.image
        return place

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

    def known(self, folder: Folder, column: int, rows: int = _SEEN_ROWS) -> float:
        """Return the share of the first rows whose file in this column exists in the folder."""
        said = [row[column].strip() for row in self.first[:rows] if len(row) > column]
        return sum(self.find(folder, one) is not None for one in said) / len(said) if said else 0.0

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of each row that is not empty. Raises ConfigError."""
        text = read_text(self.path, limit=_LARGEST)
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.separator)
            for at, row in enumerate(reader):
                if row and at >= self.skipped:
                    yield reader.line_num, row
        except csv.Error as error:
            raise ConfigError("{file} cannot be read ({detail}).", file=self.path, detail=error) from error

    def lines(self) -> int:
        """Return the approximate number of rows."""
        try:
            return self.path.read_bytes().count(b"\n")
        except OSError:
            return 0

    def decimal(self, text: str) -> str:
        """Return the text of a number with a point, where commas do not separate the cells."""
        return text.replace(",", ".") if self.separator != "," and _DECIMAL_COMMA.fullmatch(text) else text


@lru_cache(maxsize=1 << 10)  # asked for every row
def _place(columns: tuple[str, ...], names: tuple[str, ...]) -> int | None:
    return next((columns.index(name) for name in map(plain, names) if name in columns), None)


def plain(title: str) -> str:
    """Return the name of a column as it is compared."""
    return re.sub(r"[\W_]+", "", title.lower()) or title.strip().lower()


def tables(folder: Folder) -> Sequence[Table]:
    """Return the .csv files near the top of a folder, the topmost first."""
    return folder.once("tables", lambda: tuple(_tables(folder)))


def _tables(folder: Folder) -> Iterator[Table]:
    names = sorted((*folder.with_suffix(".csv"), *folder.with_suffix(".tsv")), key=lambda name: (name.count("/"), name))
    for name in names[:_LOOKED_AT]:
        if name.count("/") > _DEEPEST:
            continue
        head = peek(folder.files[name])[:8192].decode("utf-8-sig", "replace")
        told = _SEPARATOR.match(head)
        separator = told[1] if told else delimiter(head.split("\n", 1)[0])
        try:
            rows = list(csv.reader(io.StringIO(head, newline=""), delimiter=separator))[1 if told else 0 :]
        except csv.Error:
            continue
        if rows and rows[0]:
            yield _table(folder, name, rows, separator, told=told is not None)


def _table(folder: Folder, name: str, rows: list[list[str]], separator: str, *, told: bool) -> Table:
    titles = tuple(cell.strip() for cell in rows[0])
    whole = tuple(tuple(row) for row in rows[1 : _SEEN_ROWS + 1] if len(row) == len(rows[0]))
    found = Table(name, folder.files[name], titles, tuple(map(plain, titles)), whole, None, separator, 1 + told)
    if titles[0] in _SPLITS_OF_GOOGLE and len(titles) in (3, 11) and found.find(folder, titles[1]) is not None:
        named = _OF_GOOGLE[: len(titles)]
        return replace(found, titles=named, columns=named, first=(titles, *whole), image=1, skipped=int(told))
    place = found.place(PATH)
    if len(titles) > 1 and place != 0 and found.find(folder, titles[0]) in folder.images_set:  # no header
        numbered = tuple(map(str, range(len(titles))))
        return replace(found, titles=numbered, columns=numbered, first=(titles, *whole), image=0, skipped=int(told))
    if place is None or not found.known(folder, place, _TRIED):
        known = [found.known(folder, column, _TRIED) for column in range(len(titles))]
        place = known.index(max(known)) if max(known) >= 0.5 else place
    return replace(found, image=place)


def cell(row: Sequence[str], place: int | None) -> str:
    """Return the text of a cell; "" if the column or the row's cell is missing."""
    return "" if place is None or place >= len(row) else row[place].strip()


def delimiter(line: str) -> str:
    """Return the separator between the cells of a line."""
    return max(",;\t|", key=line.count)


def names_of_codes(folder: Folder) -> Mapping[str, str]:
    """Return the names of the codes (/m/011k07) that Open Images writes for classes, from its table of two columns."""
    return folder.once("codes", lambda: dict(_names_of_codes(folder)))


def _names_of_codes(folder: Folder) -> Iterator[tuple[str, str]]:
    for table in tables(folder):
        if len(table.titles) == 2 and table.titles[0].startswith(_CODE):
            yield table.titles[0], table.titles[1]
            yield from ((cell(row, 0), cell(row, 1)) for _, row in table.rows() if cell(row, 0).startswith(_CODE))
