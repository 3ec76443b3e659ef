"""What was simulated says so wherever it is kept: in the record, on the picture, in the report, in a terminal."""

import json
from threading import Event

import numpy as np
from click.testing import CliRunner

from inspector.cameras.base import open_camera
from inspector.cli.main import cli
from inspector.core.types import Frame, Inspection, Verdict
from inspector.inspection.status import Stats
from inspector.results.overlays import draw
from inspector.results.records import record
from inspector.results.report import Row, write_report

YELLOW = (240, 228, 66)


def part_of(frame: Frame) -> Inspection:
    return Inspection(frame.part, 0, Verdict.OK, (), {frame.camera: frame}, (), "r", 1, 1.0, source=frame.source)


def frames() -> tuple[Frame, Frame]:
    """The same pixels, rendered by the demo line and read from a file."""
    camera = open_camera("a", "simulated:visible")
    rendered = next(iter(camera.frames(Event())))
    real = Frame(rendered.pixels, "a", 0, rendered.monotonic, rendered.utc, part="img_1", source="img_1.png")
    return rendered, real


def test_a_rendered_part_is_marked_everywhere_and_a_real_one_nowhere() -> None:
    rendered, real = map(part_of, frames())
    assert record(rendered)["is_simulated"] is True
    assert record(real)["is_simulated"] is False

    marked, plain = draw(rendered)["a"], draw(real)["a"]
    changed = (marked != plain).any(axis=-1).any(axis=1)
    assert changed[-5:].all()  # along the whole bottom
    assert not changed[: len(changed) // 2].any()
    assert (marked[-3] == np.array(YELLOW, np.uint8)).all(axis=-1).mean() > 0.9

    page = write_report("r", [Row.of(rendered, ()), Row.of(real, ())], Stats(parts=2, ok=2))
    assert "SIMULATION: 1 of these parts" in page
    assert "SIMULATION" not in write_report("r", [Row.of(real, ())], Stats(parts=1, ok=1))


def test_run_says_that_it_judges_the_demo_line(demo_bundles: object) -> None:
    """Every start goes on with the ids."""
    arguments = ["run", "--model", "window-state", "--source", "simulated", "--limit", "1"]
    shown = CliRunner().invoke(cli, arguments).stdout.splitlines()[0]
    assert "SIMULATION" in shown
    kept = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout.splitlines()[0])
    assert kept["is_simulated"] is True
    assert kept["part"] != shown.split()[1]
