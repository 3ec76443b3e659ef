"""Labels that a person gives by hand: beside labels in another form, and in a file that was changed elsewhere."""

from pathlib import Path

import pytest

from inspector.core.errors import ConfigError
from inspector.data.annotations import read_dataset
from inspector.data.formats.table import BY_HAND
from inspector.data.labelling import read_hand_labels, write_hand_labels
from tests.data.test_annotations import box, save, voc


def test_labels_by_hand_count_before_those_of_a_tool_for_every_image(tmp_path: Path) -> None:
    for name in "abcd":
        save(tmp_path / f"{name}.png")
        voc(tmp_path / f"{name}.xml", box("dent", 1, 1, 3, 3))
    labels = read_hand_labels(tmp_path)
    assert labels.counts() == {"dent": 4, "": 0}
    labels.set(["a.png", "b.png"], "good")
    write_hand_labels(tmp_path, labels.as_table())
    assert read_hand_labels(tmp_path).counts() == {"dent": 2, "good": 2, "": 0}
    assert read_dataset(tmp_path, "classification").counts() == {"dent": 2, "good": 2}


def test_a_file_of_labels_that_cannot_be_read_is_not_one_without_labels(tmp_path: Path) -> None:
    """Excel in Japan saves a .csv in an encoding of its own."""
    for name in "ab":
        save(tmp_path / f"{name}.png")
    (tmp_path / BY_HAND).write_bytes("path,label\na.png,傷\nb.png,良品\n".encode("cp932"))
    with pytest.raises(ConfigError, match=f"{BY_HAND} is not a text in UTF-8"):
        read_hand_labels(tmp_path)
