"""What is recommended for a folder, and whether its reasons are those of the data."""

import time
from pathlib import Path

import pytest

from inspector.core.message import message
from inspector.core.survey import Survey, TaskSurvey
from inspector.core.training import train_settings
from inspector.core.types import TaskName
from inspector.station.costs import COSTS, Hardware, this_machine
from inspector.station.recommend import Advice, estimate_minutes, part_ms, recommend

MACHINE = Hardware(cores=2, memory=8 << 30)


def surveyed(
    task: TaskName,
    *,
    counts: tuple[int, ...] = (400, 400),
    sizes: dict[tuple[int, int], int] | None = None,
    share: float | None = None,
) -> Survey:
    names = tuple(f"class {index}" for index in range(len(counts)))
    offered = TaskSurvey(task, names, dict(zip(names, counts, strict=True)), object_share=share)
    found = sizes or {(640, 640): sum(counts)}
    return Survey(Path("data"), message("Class folders"), {task: offered}, sum(counts), found, {}, sum(counts))


def advise(
    task: TaskName,
    *,
    takt_s: float | None = None,
    hardware: Hardware = MACHINE,
    counts: tuple[int, ...] = (400, 400),
    sizes: dict[tuple[int, int], int] | None = None,
    share: float | None = None,
) -> Advice:
    survey = surveyed(task, counts=counts, sizes=sizes, share=share)
    return recommend(survey, task, takt_s=takt_s, hardware=hardware)


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation", "thermal"])
@pytest.mark.parametrize("weights", [True, False])
def test_what_is_recommended_can_be_trained_and_is_said_in_whole_sentences(task: TaskName, weights: bool) -> None:
    advice = advise(task, hardware=Hardware(2, 8 << 30, weights=weights), counts=(30, 4), share=0.002)
    settings = train_settings({"task": task, "data": "data", "out": "out", **advice.settings})
    assert settings.network in COSTS
    for sentence in (*advice.reasons, *advice.problems):
        assert "{" not in sentence.text
        assert sentence.text[0].isupper()
        assert sentence.text.endswith(".")
        assert sentence.text in advice.reason.text
    assert advice.minutes > 0
    assert advice.ms > 0
    for other in advice.alternatives:
        assert other.settings["network"] != advice.settings["network"]
        train_settings({"task": task, "data": "data", "out": "out", **advice.settings, **other.settings})


def test_the_smaller_the_defects_the_larger_the_input() -> None:
    sides = [advise("detection", share=share).settings["width"] for share in (0.1, 0.01, 0.003, 0.001)]
    assert sides[0] == 224
    assert sides == sorted(sides)
    assert sides[-1] > sides[0]
    # 0.3 % of the area is 5.5 % of a side: 16 px of it need 16 / 0.0548 = 292 px.
    assert sides[2] == 320


def test_an_input_is_no_larger_than_the_images_and_says_so_if_defects_stay_too_small() -> None:
    advice = advise("detection", share=0.0001, sizes={(200, 200): 800})
    assert (advice.settings["width"], advice.settings["height"]) == (224, 224)
    assert "even at 224 px they span only 2 px, and 16 would be good" in advice.reason.text


def test_the_input_has_the_shape_of_the_images_or_pads_those_of_many_shapes() -> None:
    same = advise("classification", sizes={(640, 480): 5, (1280, 960): 3}).settings
    assert (same["width"], same["height"], same["fit"]) == (224, 160, "stretch")
    tall = advise("classification", sizes={(480, 960): 5}).settings
    assert (tall["width"], tall["height"], tall["fit"]) == (128, 224, "stretch")
    many = advise("classification", sizes={(640, 480): 5, (300, 900): 3}).settings
    assert (many["width"], many["height"], many["fit"]) == (224, 224, "letterbox")
    almost = advise("classification", sizes={(320, 300): 5, (300, 310): 3}).settings
    assert (almost["width"], almost["height"], almost["fit"]) == (224, 224, "stretch")


def test_few_images_are_varied_strongly_measured_in_folds_and_start_from_known_weights() -> None:
    few = advise("classification", counts=(60, 40)).settings
    assert (few["augment"], few["folds"], few["pretrained"]) == ("strong", 5, "imagenet")
    assert few["freeze_epochs"] > 0
    assert few["backbone_rate"] < 1
    fewer = advise("classification", counts=(60, 3))
    assert "folds" not in fewer.settings
    assert "63, 3 of the rarest class" in fewer.reason.text
    assert not advise("classification").settings.keys() & {"augment", "folds", "freeze_epochs"}


def test_what_starts_from_known_weights_leaves_its_first_stages_and_what_does_not_learns_whole() -> None:
    detection = advise("detection")
    assert detection.settings["freeze_stages"] > 0
    assert 0 < detection.settings["backbone_rate"] < 1
    assert {"ema", "lr"} <= detection.settings.keys()
    (alternative,) = detection.alternatives
    assert {**detection.settings, **alternative.settings}["freeze_stages"] == 0
    bare = advise("detection", hardware=Hardware(2, 8 << 30, weights=False))
    assert "freeze_stages" not in bare.settings
    assert bare.settings["lr"] == train_settings({"task": "detection", "data": "d", "out": "o"}).lr


@pytest.mark.parametrize(("counts", "balance"), [((400, 390), None), ((400, 100), "weights"), ((900, 60), "sampler")])
def test_rare_classes_count_more_from_a_certain_imbalance(counts: tuple[int, ...], balance: str | None) -> None:
    assert advise("classification", counts=counts).settings.get("balance") == balance


def test_a_short_takt_makes_the_input_smaller_and_an_impossible_one_is_said() -> None:
    free = advise("detection", share=0.001, sizes={(1000, 1000): 800})
    long = advise("detection", share=0.001, sizes={(1000, 1000): 800}, takt_s=1.0)
    assert dict(free.settings) == dict(long.settings)
    assert "the takt is 1000 ms" in long.reason.text
    short = advise("detection", share=0.001, sizes={(1000, 1000): 800}, takt_s=0.02)
    assert short.settings["width"] < long.settings["width"]
    assert short.ms <= 10
    assert "allows" in short.reason.text
    never = advise("detection", share=0.001, takt_s=0.001)
    assert "No network is fast enough" in never.problems[-1].text
    slow = Hardware(2, 8 << 30, speed=0.25)
    assert (
        advise("detection", takt_s=0.05, hardware=slow).settings["width"] < advise("detection", takt_s=0.05).settings["width"]
    )


def test_what_is_missing_is_named_with_the_command_that_installs_it() -> None:
    bare = advise("classification", hardware=Hardware(2, 8 << 30, torch=False, weights=False))
    assert bare.settings["pretrained"] == ""
    assert all(name in problem.text for name, problem in zip(("--with train", "--with pretrained"), bare.problems, strict=True))
    assert not advise("classification").problems
    assert not advise("thermal", hardware=Hardware(2, 8 << 30, weights=False)).problems


def test_many_images_are_shown_less_often_so_that_it_ends_within_about_an_hour() -> None:
    few, many = advise("detection", counts=(300, 300)), advise("detection", counts=(4000, 4000))
    assert few.settings["epochs"] > many.settings["epochs"] >= 20
    slow = advise("detection", counts=(800, 800), hardware=Hardware(1, 4 << 30, speed=0.4))
    assert slow.settings["epochs"] < advise("detection", counts=(800, 800)).settings["epochs"]
    assert "hour" in slow.reason.text
    card = advise("detection", counts=(4000, 4000), hardware=Hardware(8, 32 << 30, gpu="A card"))
    assert card.minutes < many.minutes / 5
    assert "A card" in card.reason.text


def test_minutes_grow_with_images_epochs_pixels_and_folds_and_end_with_the_time_limit() -> None:
    base = {"network": "efficientnet_lite0", "width": 224, "height": 224, "epochs": 10}
    start = 0.5
    minutes = estimate_minutes(base, 1000, MACHINE)
    assert minutes == pytest.approx(start + 10 * 1000 * (0.7 * 55.2 + 0.15 * 7.5) / 60_000, rel=0.01)
    for change, images, times in (({}, 2000, 2), ({"epochs": 30}, 1000, 3), ({"folds": 4}, 1000, 5)):
        assert estimate_minutes({**base, **change}, images, MACHINE) - start == pytest.approx(times * (minutes - start))
    assert estimate_minutes({**base, "width": 448}, 1000, MACHINE) > 1.9 * (minutes - start)
    assert estimate_minutes({**base, "time_limit": 60}, 1000, MACHINE) == pytest.approx(start + 1)
    assert estimate_minutes({"task": "thermal"}, 100, MACHINE) > start


def test_this_machine_is_known_without_torch_and_measured_once() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.memory > 1 << 28
    assert 0.01 < machine.speed < 100
    began = time.monotonic()
    assert this_machine().speed == machine.speed
    assert time.monotonic() - began < 1
    assert part_ms("unet", 224, 224, machine) > part_ms("unet_effnet", 224, 224, machine)
