"""Files are replaced whole or not at all."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from inspector.core.config import describe_validation, write_atomically
from inspector.core.errors import StorageError
from inspector.recipes.recipe import Recipe


def test_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.toml"
    write_atomically(file, b"one")
    write_atomically(file, b"two")
    assert file.read_bytes() == b"two"
    assert [path.name for path in file.parent.iterdir()] == ["a.toml"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"file/a\.toml cannot be written"):
        write_atomically(tmp_path / "file" / "a.toml", b"x")


def test_validation_names_the_key_and_counts_the_rest() -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({"a": 1, "b": 2, "c": 3, "d": 4, "name": ""})
    phrase = describe_validation(caught.value)
    assert "cameras: Field required" in phrase
    assert "and 3 more" in phrase
