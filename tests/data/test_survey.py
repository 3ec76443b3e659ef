"""What a folder can teach is counted as training will use it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.data.annotations import read_dataset
from inspector.data.survey import TaskSurvey, survey


def _image(path: Path, index: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(index).integers(0, 255, (48, 64), dtype=np.uint8)
    assert cv2.imwrite(str(path), pixels)


def _boxes(folder: Path, contents: list[list[str]], *, parts: list[str] | None = None) -> None:
    """YOLO labels: an image for each list of the classes that are in it."""
    names = sorted({name for kinds in contents for name in kinds})
    (folder / "labels").mkdir(parents=True)
    for index, kinds in enumerate(contents):
        part = f"{parts[index]}/" if parts else ""
        _image(folder / "images" / part / f"{index:03d}.png", index)
        label = folder / "labels" / part / f"{index:03d}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("\n".join(f"{names.index(kind)} 0.5 0.5 0.2 0.2" for kind in kinds))
    (folder / "data.yaml").write_text(f"names: [{', '.join(names)}]\n")


def _detection(folder: Path) -> TaskSurvey:
    return survey(folder).tasks["detection"]


def test_an_image_counts_for_every_class_that_is_in_it(tmp_path: Path) -> None:
    """A class that is never the most frequent one of its image is in images nevertheless."""
    _boxes(tmp_path, [["hole", "hole", "crack"]] * 12 + [["hole"]] * 8 + [[]] * 4)
    found = _detection(tmp_path)
    assert found.objects == {"hole": 32, "crack": 12}
    assert (found.images["hole"], found.images["crack"]) == (20, 12)
    assert found.total == 24
    assert found.imbalance == pytest.approx(20 / 4)  # of those without a defect
    assert not [problem.text for problem in found.problems]


def test_weights_are_promised_only_where_training_has_them(tmp_path: Path) -> None:
    _boxes(tmp_path / "boxes", [["hole"]] * 100 + [["hole", "crack"]] * 6)
    text = " ".join(problem.text for problem in _detection(tmp_path / "boxes").problems)
    assert "hole is in 18 times as many images as crack, which will be found less surely" in text
    assert "weight" not in text
    for index in range(106):
        _image(tmp_path / "classes" / ("crack" if index < 6 else "hole") / f"{index}.png", index)
    text = " ".join(problem.text for problem in survey(tmp_path / "classes").tasks["classification"].problems)
    assert "hole has 17 times as many images as crack; rare classes are given more weight" in text


def test_a_class_in_training_images_is_learnt_although_another_is_more_frequent_there(tmp_path: Path) -> None:
    contents = [["hole", "hole", "crack"]] * 8 + [["crack"]] * 4 + [["hole"]] * 4
    _boxes(tmp_path, contents, parts=["train"] * 8 + ["val"] * 4 + ["test"] * 4)
    assert not any("cannot be learnt" in problem.text for problem in _detection(tmp_path).problems)


def test_images_without_an_object_are_the_good_ones_of_a_classifier(tmp_path: Path) -> None:
    """A classifier that sees no good part while it learns calls every good part a defect."""
    _boxes(tmp_path, [["hole"], ["spot"], [], [], []] * 4)
    found = survey(tmp_path).tasks["classification"]
    assert (found.total, found.images) == (20, {"hole": 4, "spot": 4, "good": 12})
    said = [problem.text for problem in found.problems]
    assert "No object is labelled in 12 images: for classification they are of the class good." in said
    assert read_dataset(tmp_path, "classification").classes == ("hole", "spot", "good")


def test_good_images_that_no_training_image_shows_are_named_as_such(tmp_path: Path) -> None:
    _boxes(tmp_path, [["hole"], ["spot"]] * 6 + [[]] * 6, parts=["train"] * 12 + ["test"] * 6)
    said = [problem.text for problem in survey(tmp_path).tasks["classification"].problems]
    assert "good is in no training image of the data's own split, so it cannot be learnt." in said


def test_a_set_of_one_kind_of_defect_and_good_images_can_teach_a_classifier(tmp_path: Path) -> None:
    _boxes(tmp_path, [["hole"], []] * 8)
    assert read_dataset(tmp_path, "classification").classes == ("hole", "good")


def test_good_images_are_no_further_class_where_a_class_is_called_so_or_a_bundle_does_not_know_it(tmp_path: Path) -> None:
    _boxes(tmp_path / "own", [["OK"], ["hole"], []] * 6)
    assert read_dataset(tmp_path / "own", "classification").classes == ("OK", "hole")
    _boxes(tmp_path / "boxes", [["spot"], ["hole"], []] * 6)
    for known in (("hole", "spot"), ("spot", "good", "hole")):
        found = read_dataset(tmp_path / "boxes", "classification", classes=known)
        assert (found.classes, len(found.samples)) == (known, 6 * len(known))


def test_images_without_an_object_are_counted_in_one_sentence(tmp_path: Path) -> None:
    """Good parts belong to every set of boxes: a sentence a file would bury what is advised."""
    _boxes(tmp_path, [["hole"], [], ["spot"], [], []])
    (said,) = [
        problem.text for problem in survey(tmp_path).tasks["classification"].problems if "labelled object" in problem.text
    ]
    assert said == "Without a labelled object an image has no class: classification leaves out 3."
    assert survey(tmp_path).tasks["detection"].total == 5
