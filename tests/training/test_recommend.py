"""What is recommended for a folder, and whether its reasons are those of the data."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.core.message import message
from inspector.core.registry import NETWORKS, UNKNOWN_COST
from inspector.core.types import TaskName
from inspector.data.pose import Pose
from inspector.data.sizes import ObjectSizes
from inspector.data.survey import Survey, TaskSurvey
from inspector.runs.settings import train_settings
from inspector.training.alternatives import Advice
from inspector.training.costs import (
    Hardware,
    busy_sentence,
    class_speed,
    cost_of,
    estimate_minutes,
    part_ms,
    this_machine,
)
from inspector.training.recommend import recommend
from inspector.workers.load import Load

MACHINE = Hardware(cores=2, memory=8 << 30)
SURFACE, PART = Pose(0.02, -0.5), Pose(0.8, 0.1)
SPIN = "print(flush=True)\nwhile True: pass"


def surveyed(
    task: TaskName,
    *,
    counts: tuple[int, ...] = (400, 400),
    sizes: dict[tuple[int, int], int] | None = None,
    share: float | None = None,
    width: float | None = None,
    pose: Pose | None = None,
) -> Survey:
    names = tuple(f"class {index}" for index in range(len(counts)))
    objects = None if share is None else ObjectSizes(share, share**0.5, share**0.5, share**0.5, width)
    offered = TaskSurvey(task, names, dict(zip(names, counts, strict=True)), sizes=objects)
    found = sizes or {(640, 640): sum(counts)}
    title = message("Class folders")
    return Survey(Path("data"), title, {task: offered}, sum(counts), found, {}, sum(counts), pose=pose)


def advise(
    task: TaskName,
    *,
    takt_s: float | None = None,
    hardware: Hardware = MACHINE,
    counts: tuple[int, ...] = (400, 400),
    sizes: dict[tuple[int, int], int] | None = None,
    share: float | None = None,
    width: float | None = None,
    pose: Pose | None = None,
    time_s: float | None = None,
) -> Advice:
    survey = surveyed(task, counts=counts, sizes=sizes, share=share, width=width, pose=pose)
    return recommend(survey, task, takt_s=takt_s, hardware=hardware, time_s=time_s)


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation", "thermal"])
@pytest.mark.parametrize("weights", [True, False])
def test_what_is_recommended_can_be_trained_and_is_said_in_whole_sentences(task: TaskName, weights: bool) -> None:
    advice = advise(task, hardware=Hardware(2, 8 << 30, weights=weights), counts=(30, 4), share=0.002)
    settings = train_settings({"task": task, "data": "data", "out": "out", **advice.settings})
    assert NETWORKS[settings.network].cost != UNKNOWN_COST or settings.network == "resnet50"
    for sentence in (*advice.reasons, *advice.problems):
        assert "{" not in sentence.text
        assert sentence.text[0].isupper()
        assert sentence.text.endswith(".")
        assert sentence.text in advice.reason.text
    assert advice.minutes > 0
    assert advice.ms > 0
    for other in advice.alternatives:
        assert any(value != advice.settings.get(name) for name, value in other.settings.items())
        assert other.trade.text.endswith(".")
        train_settings({"task": task, "data": "data", "out": "out", **advice.settings, **other.settings})


def test_the_smaller_the_defects_the_larger_the_input() -> None:
    sides = [advise("detection", share=share).settings["width"] for share in (0.1, 0.01, 0.002, 0.001)]
    assert sides[0] == 320
    assert sides == sorted(sides)
    assert sides[-1] > sides[0]
    # 0.2 % of the area is 4.5 % of a side: 16 px of it need 16 / 0.0447 = 358 px.
    assert sides[2] == 384


def test_images_are_enlarged_only_where_enough_epochs_fit_into_the_time() -> None:
    """Rolled steel of 200 px: 224 px learn more in ten minutes than 320."""
    steel = {"share": 0.1, "sizes": {(200, 200): 1453}, "counts": (1453,)}
    assert advise("detection", **steel).settings["width"] == 320
    short, longer = (advise("detection", **steel, time_s=60 * minutes) for minutes in (10, 24))
    assert (short.settings["width"], longer.settings["width"]) == (224, 256)
    assert "enlarged less than usual" in short.reason.text
    assert short.settings["epochs"] > 10
    small = advise("detection", share=(12 / 200) ** 2, sizes={(200, 200): 1453}, counts=(1453,), time_s=600)
    assert small.settings["width"] == 320  # 12 px are too few in 224
    assert advise("detection", share=0.1, counts=(1453,), time_s=600).settings["width"] == 320  # 640 px: nothing is enlarged


def test_mirrored_views_are_offered_for_boxes_where_the_network_can() -> None:
    fpn = advise("detection", share=0.04, pose=SURFACE)
    (offered,) = (one for one in fpn.alternatives if "mirrored" in one.settings)
    assert offered.settings == {"mirrored": True}
    assert offered.ms == pytest.approx(4 * fpn.ms)
    plain = advise("detection", share=0.04, pose=SURFACE, hardware=replace(MACHINE, weights=False))
    assert plain.settings["network"] == "simple_yolo"
    assert not [one for one in plain.alternatives if "mirrored" in one.settings]
    assert not [one for one in advise("detection", share=0.04, pose=PART).alternatives if "mirrored" in one.settings]


def test_boxes_around_masks_are_as_thin_as_the_masks() -> None:
    masks = surveyed("segmentation", counts=(120,), sizes={(640, 480): 120}, share=0.06, width=3 / 640)
    boxes = surveyed("detection", counts=(120,), sizes={(640, 480): 120}, share=0.06)
    both = replace(boxes, tasks={**boxes.tasks, **masks.tasks})
    advice = recommend(both, "detection", takt_s=None, hardware=MACHINE)
    assert advice.settings["width"] >= 2.5 / (3 / 640)
    assert advice.settings.get("augment") != "strong"
    assert "Thin objects are about 3 px wide" in advice.reason.text


def test_an_input_is_no_larger_than_the_images_and_says_so_if_defects_stay_too_small() -> None:
    advice = advise("classification", share=0.0001, sizes={(200, 200): 800})
    assert (advice.settings["width"], advice.settings["height"]) == (224, 224)
    assert "Objects are usually 2 px large in images of 200 px, and only 2.24 px in an input of 224 px" in advice.reason.text
    finer = advise("detection", share=0.0001, sizes={(200, 200): 800})  # a grid over the same pixels
    assert "Small objects are 2 px large in images of 200 px, and only 3.2 px in an input of 320 px" in finer.reason.text
    assert (finer.settings["width"], finer.settings["height"]) == (320, 320)


def test_the_input_has_the_shape_of_the_images_or_pads_those_of_many_shapes() -> None:
    same = advise("classification", sizes={(640, 480): 5, (1280, 960): 3}).settings
    assert (same["width"], same["height"], same["fit"]) == (224, 160, "stretch")
    tall = advise("classification", sizes={(480, 960): 5}).settings
    assert (tall["width"], tall["height"], tall["fit"]) == (128, 256, "stretch")  # larger than usual, but as cheap
    many = advise("classification", sizes={(640, 480): 5, (300, 900): 3}).settings
    assert (many["width"], many["height"], many["fit"]) == (224, 224, "letterbox")
    almost = advise("classification", sizes={(320, 300): 5, (300, 310): 3}).settings
    assert (almost["width"], almost["height"], almost["fit"]) == (224, 224, "stretch")


def test_defects_of_unknown_size_get_a_larger_input_where_it_costs_little() -> None:
    few = advise("classification", counts=(40, 40))
    assert (few.settings["width"], few.settings["folds"]) == (384, 5)
    assert "An input of 384 px suits images of 640 px." in few.reason.text
    assert advise("classification", counts=(60, 60), sizes={(300, 300): 120}).settings["width"] == 320
    assert advise("classification", counts=(60, 60), time_s=90).settings["width"] < 320
    assert advise("classification", counts=(1200, 1200)).settings["width"] == 256
    assert advise("classification", counts=(60, 60), share=0.1).settings["width"] == 224  # their size is known


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
    (alternative,) = (one for one in detection.alternatives if "network" in one.settings)
    scratch = {**detection.settings, **alternative.settings}
    assert (scratch["network"], scratch["freeze_stages"], scratch["backbone_rate"]) == ("simple_yolo", 0, 1.0)
    assert scratch["options"] == {"filters": 24, "context": 3}
    bare = advise("detection", hardware=Hardware(2, 8 << 30, weights=False))
    assert (bare.settings["network"], bare.settings["options"]) == ("simple_yolo", scratch["options"])
    assert "freeze_stages" not in bare.settings
    assert bare.settings["lr"] == train_settings({"task": "detection", "data": "d", "out": "o"}).lr


@pytest.mark.parametrize(
    ("counts", "balance"), [((400, 390), "none"), ((400, 100), "weights"), ((900, 60), "weights"), ((900, 30), "sampler")]
)
def test_rare_classes_count_more_from_a_certain_imbalance(counts: tuple[int, ...], balance: str) -> None:
    assert advise("classification", counts=counts).settings["balance"] == balance


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
    assert all(name in problem.text for name, problem in zip(("--with train", "Start weights"), bare.problems, strict=True))
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
    minutes, cost = estimate_minutes(base, 1000, MACHINE), cost_of("efficientnet_lite0")
    step = cost.step_fixed + cost.step_megapixel * 224 * 224 / 1e6
    assert minutes == pytest.approx(start + 10 * 1000 * (0.7 + 0.15 / 3) * step / 60_000, rel=0.01)
    still = {**base, "pretrained": "imagenet", "freeze_stages": 3}
    saved = 10 * 1000 * 0.7 * (1 - cost.still) * step / 60_000
    assert minutes - estimate_minutes(still, 1000, MACHINE) == pytest.approx(saved, rel=0.01)
    for change, images, times in (({}, 2000, 2), ({"epochs": 30}, 1000, 3), ({"folds": 4}, 1000, 5)):
        assert estimate_minutes({**base, **change}, images, MACHINE) - start == pytest.approx(times * (minutes - start))
    assert estimate_minutes({**base, "width": 448}, 1000, MACHINE) > 1.9 * (minutes - start)
    assert estimate_minutes({**base, "time_limit": 60}, 1000, MACHINE) == pytest.approx(start + 1)
    assert estimate_minutes({"task": "thermal"}, 100, MACHINE) > start


def test_an_input_keeps_the_width_of_what_is_thin_and_is_not_enlarged_for_it() -> None:
    """Cracks 3 px wide in 480 x 320 px, whose boxes are large: 256 x 160 px would leave 1.6 px of them.

    Those of 4 px need no more than 448 px.
    """
    images = {(480, 320): 118}
    for task, side in (("segmentation", 512), ("detection", 448), ("classification", 448)):
        advice = advise(task, share=0.1, width=3 / 480, sizes=images)
        assert advice.settings["width"] == side
        assert "Thin objects are about 3 px wide" in advice.reason.text
    assert advise("segmentation", share=0.1, width=1 / 480, sizes=images).settings["width"] == 512
    assert advise("segmentation", share=0.1, width=4 / 480, sizes=images).settings["width"] == 448
    lost = advise("detection", share=0.1, width=3 / 4000, sizes={(4000, 3000): 800})
    assert "only 0.58 px in an input of 768 px, where they are hard to see" in lost.reason.text


def test_more_than_usual_pixels_are_recommended_where_enough_epochs_fit_into_the_time() -> None:
    images = {(1600, 1600): 100}
    assert advise("classification", counts=(50, 50), share=0.0001, sizes=images).settings["width"] == 1024
    assert advise("classification", counts=(5000, 5000), share=0.0001, sizes=images).settings["width"] == 640
    short = advise("classification", counts=(50, 50), share=0.0001, sizes=images, time_s=240)
    assert 224 <= short.settings["width"] < 1024
    assert short.minutes <= 4.5  # the limit counts from the first epoch; half a minute goes before and after
    assert short.settings["time_limit"] == 240


def test_large_images_of_small_objects_are_learnt_in_tiles_where_the_takt_allows_it() -> None:
    """Pinholes of 8 px in 12 megapixels, and cracks 4 px wide in 3: a whole image would leave 2 px of either."""
    images = {(4096, 3072): 300}
    holes = advise("detection", counts=(150, 150), share=(8 / 4096) ** 2, sizes=images)
    assert {name: holes.settings[name] for name in ("tile", "tile_overlap", "width", "height", "fit")} == {
        "tile": 512,
        "tile_overlap": 64,
        "width": 512,
        "height": 512,
        "fit": "stretch",
    }
    count = 9 * 7  # of (4096 - 64) / (512 - 64) and (3072 - 64) / (512 - 64)
    assert holes.ms == pytest.approx(count * part_ms("fpn_lite0", 512, 512, MACHINE))
    assert f"the {count} tiles of a part compute {holes.ms:.0f} ms" in holes.reason.text
    assert "hard to find" not in holes.reason.text
    slow = advise("detection", counts=(150, 150), share=(8 / 4096) ** 2, sizes=images, takt_s=1.0)
    assert "tile" not in slow.settings
    assert "more than half of the takt of 1000 ms" in slow.reason.text
    cracks = advise("segmentation", counts=(200,), share=0.02, width=4 / 2000, sizes={(2000, 1500): 200}).settings
    assert cracks["tile"] == 585  # px, and 3.5 of 4 px of a crack are left in 512
    for task, share, sizes in (
        ("detection", 0.01, {(4096, 3072): 300}),  # large enough in the whole image
        ("detection", (8 / 640) ** 2, {(640, 640): 300}),  # the image shows no more than the input
        ("classification", (8 / 4096) ** 2, {(4096, 3072): 300}),
        ("detection", (8 / 4096) ** 2, {(4096, 400): 300}),  # no tile fits
    ):
        assert "tile" not in advise(task, share=share, sizes=sizes).settings


def test_pieces_of_a_large_input_are_learnt_where_objects_fit_into_them() -> None:
    images = {(640, 640): 400}
    pinholes = advise("detection", counts=(400,), share=(8 / 640) ** 2, sizes=images)
    assert (pinholes.settings["width"], pinholes.settings["piece"]) == (640, 320)
    assert "pieces of 320 px, most of them around an object: a step takes 25 % of the time" in pinholes.reason.text
    values = {"task": "detection", **pinholes.settings}
    whole = estimate_minutes({**values, "piece": 0}, 400, MACHINE)
    assert 0.25 * whole < estimate_minutes(values, 400, MACHINE) < 0.5 * whole
    cracks = advise("segmentation", counts=(118,), share=0.1, width=3 / 480, sizes={(480, 320): 118}).settings
    assert (cracks["width"], cracks["height"], cracks["piece"]) == (512, 352, 256)  # their boxes are larger than a piece
    for task, share, sizes in (
        ("detection", 0.1, {(200, 200): 400}),  # an input not much larger than a piece
        ("classification", (8 / 640) ** 2, images),  # a piece may show no reason for the class
    ):
        assert "piece" not in advise(task, share=share, sizes=sizes).settings


def test_small_objects_of_few_images_are_not_shrunk_while_they_are_learnt() -> None:
    """Strong augmentation shrinks to 0.6: pinholes of 8 px would be 5 px large, cracks 3 px wide less than 2."""
    holes = advise("detection", counts=(60, 60), share=(8 / 640) ** 2, pose=SURFACE)
    cracks = advise("segmentation", counts=(60, 60), share=0.1, width=3 / 480, sizes={(480, 320): 120}, pose=SURFACE)
    for advice in (holes, cracks):
        assert (advice.settings["augment"], advice.settings["batch"]) == ("surface", 4)
        assert "not varied strongly, because small or thin objects would vanish" in advice.reason.text
        assert "freeze_epochs" not in advice.settings
    large = advise("detection", counts=(60, 60), share=0.04, pose=SURFACE).settings
    assert (large["augment"], large["lr"], large["batch"]) == ("strong", 0.002, 4)
    many = advise("detection", share=0.04, pose=SURFACE).settings
    assert (many["lr"], many["batch"]) == (0.002, 8)


def test_folds_measure_and_take_no_epochs_away() -> None:
    small, large = (advise("segmentation", counts=(60, 40), sizes={(side, side): 100}, share=0.0005) for side in (128, 640))
    assert small.settings["folds"] == 5
    assert "folds" not in large.settings
    assert large.settings["epochs"] >= 60
    assert "roughly" in large.reason.text


def test_a_time_that_is_too_short_is_said_before_anything_is_trained() -> None:
    fits = advise("detection", time_s=1200)
    assert fits.settings["epochs"] < advise("detection").settings["epochs"]
    assert "fit into the time" in fits.reason.text
    assert not fits.problems
    said = re.search(r"(\d+) epochs fit into the time", fits.reason.text)
    assert said is not None
    # A machine faster than the estimate leaves nothing over; on a slower one the schedule ends with the clock.
    assert fits.settings["epochs"] == math.ceil(1.5 * int(said[1]))
    assert fits.settings["time_limit"] == 1200
    (few,) = advise("detection", time_s=240).problems
    assert few.text.startswith("A time limit of 4 minutes allows fewer epochs than make sense; about")
    (none,) = advise("detection", time_s=50).problems
    assert none.text.startswith("A time limit of 0.83 minutes is too short for one epoch, which takes about")


@pytest.mark.parametrize(("images", "count", "wrong"), [(60, 9, "28"), (667, 100, "3"), (6667, 1000, "0.3")])
def test_it_is_said_what_the_test_images_can_prove(images: int, count: int, wrong: str) -> None:
    """Oracle: (1 - wrong) ** count = 0.05."""
    text = advise("classification", counts=(images // 2, images - images // 2)).reason.text
    assert f"About {count} images test it. Even if all of them are judged right, up to {wrong} % of all parts" in text


def test_the_class_of_a_machine_grows_with_its_cores_and_instructions() -> None:
    assert class_speed(2, 1.0) == 1
    assert class_speed(8, 0.6) > class_speed(4, 0.6) > class_speed(4, 0.25) > class_speed(1, 0.25) > 0
    assert class_speed(64, 1.0) == class_speed(16, 1.0)


def test_what_other_programs_take_is_said_apart_from_the_advice() -> None:
    before = Load(0.0, 0.0, 0.0)
    assert busy_sentence(before, Load(10.0, 12.0, 10.0), cores=4) is None
    busy = busy_sentence(before, Load(10.0, 30.0, 10.0), cores=4)
    assert busy is not None
    assert busy.text == (
        "This computer is busy now: other programs use 2.0 of 4 cores. Until they end it takes about 2 times as long."
    )
    full = busy_sentence(before, Load(10.0, 45.0, 0.0), cores=4)
    assert full is not None
    assert "use 4.0 of 4 cores. Until they end it takes about 4 times" in full.text


def test_this_machine_is_known_without_torch_and_the_same_under_load() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.memory > 1 << 28
    assert 0.01 < machine.speed < 100
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) for _ in range(machine.cores + 1)]
    try:
        for one in spinning:
            assert one.stdout is not None
            one.stdout.readline()
        assert this_machine() == machine
    finally:
        for one in spinning:
            one.kill()
            one.communicate()
    assert part_ms("unet", 224, 224, machine) > part_ms("unet_effnet", 224, 224, machine)


def test_surfaces_are_turned_and_stretched_and_parts_that_lie_alike_are_not() -> None:
    shapes = {(640, 480): 5, (300, 900): 3}
    surface, part = (advise("classification", pose=pose, sizes=shapes) for pose in (SURFACE, PART))
    assert (surface.settings["augment"], surface.settings["fit"]) == ("surface", "stretch")
    assert "alike from every side" in surface.reason.text
    assert "augment" not in part.settings
    assert part.settings["fit"] == "letterbox"
    assert advise("classification", pose=SURFACE, counts=(60, 40)).settings["augment"] == "strong"
    assert "augment" not in advise("thermal", pose=SURFACE).settings


def test_two_classes_of_a_surface_are_judged_in_four_views_where_the_takt_allows_it() -> None:
    free = advise("classification", pose=SURFACE, counts=(1800, 800))
    one = part_ms("efficientnet_lite0", 256, 256, MACHINE)
    assert (free.settings["mirrored"], free.ms) == (True, pytest.approx(4 * one))
    tight = advise("classification", pose=SURFACE, counts=(1800, 800), takt_s=6 * one / 1000)
    assert "mirrored" not in tight.settings
    assert tight.ms == pytest.approx(one)
    (offered,) = (one for one in tight.alternatives if "mirrored" in one.settings)
    assert offered.ms == pytest.approx(4 * one)
    assert "mirrored" not in advise("classification", pose=SURFACE, counts=(300, 300, 300)).settings
    assert "mirrored" not in advise("classification", counts=(1800, 800)).settings


def test_kinds_of_defects_that_are_too_few_are_found_as_one_and_can_be_told_apart_nevertheless() -> None:
    few = advise("segmentation", pose=SURFACE, counts=(300, 80, 24))
    assert few.settings["one_class"] == "defect"
    assert "class 2 there are only 24" in few.reason.text
    apart = next(one for one in few.alternatives if "one_class" in one.settings)
    assert {**few.settings, **apart.settings}["one_class"] == ""
    assert "one_class" not in advise("segmentation", pose=SURFACE, counts=(300, 80, 60)).settings


def test_a_larger_input_is_weighed_with_its_price() -> None:
    advice = advise("detection")
    larger = next(one for one in advice.alternatives if "width" in one.settings)
    assert larger.settings["width"] > advice.settings["width"]
    assert larger.minutes > advice.minutes
    assert larger.ms > advice.ms
    most = advise("detection", share=0.0005, sizes={(2000, 2000): 800})
    assert not [one for one in most.alternatives if "width" in one.settings]
