"""Large images in tiles beside SAHI: what is measured is there, and the defects are found across the seams of the tiles."""

import importlib.util
import json

from click.testing import CliRunner

from inspector.bench.line.tiles import HEIGHT, WIDTH, mosaic
from inspector.cameras.demo.line import DemoLine
from inspector.cli.main import cli


def test_the_defects_of_a_frame_full_of_plates_are_found() -> None:
    result = CliRunner().invoke(cli, ["bench", "tiles", "--frames", "1", "--rounds", "1", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["tiles"] == 108
    assert said["ours"]["map50"] > 0.9
    assert said["ours"]["seconds"] > 0
    assert said["ours"]["memory_mb"] > 50
    if importlib.util.find_spec("sahi") is None:
        assert said["sahi"] is said["speed"] is None
    else:
        assert said["difference"] >= -0.005


def test_a_frame_of_plates_has_the_boxes_of_all_of_them_inside() -> None:
    pixels, boxes = mosaic(DemoLine(3, good=0.1), 0)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert len(boxes) > 20
    assert (boxes.xyxy[:, :2] >= 0).all()
    assert (boxes.xyxy[:, 2:] <= (WIDTH, HEIGHT)).all()
    centres = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
    assert len(boxes.at_least(1.0)) == len(boxes)
    assert centres[:, 0].max() - centres[:, 0].min() > WIDTH / 2
