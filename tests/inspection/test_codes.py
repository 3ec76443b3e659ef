"""Codes on parts: read in the region that the recipe names, understood by GS1, said where they cannot be read."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import zxingcpp

from inspector.archive.archive import opened_archive
from inspector.archive.contents import RunContext
from inspector.archive.filters import Filters
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.store.query import every, result_of
from inspector.core.types import CodeReading, Frame
from inspector.inspection.codes import read_code
from inspector.inspection.program import load_program
from inspector.recipes.recipe import CameraModel, CodeModel, RegionModel
from inspector.station.station import Station
from tests.station.fakes import Behaviour, FakeCamera, Recorder, opener, recipe_of

SAYS = "(01)04012345123456(10)L-7A(21)S0001(400)ORDER9"
MODEL = CodeModel(region=RegionModel(x=200, y=100, width=200, height=200))


def _frame(text: str, symbology: str = "DataMatrix", *, gs1: bool = True, at: tuple[int, int] = (230, 130)) -> Frame:
    """A grey part of 640 x 480 pixels with noise and a code of about 140 pixels."""
    code = zxingcpp.create_barcode(text, zxingcpp.barcode_format_from_str(symbology), **({"gs1": True} if gs1 else {}))
    drawn = np.array(zxingcpp.write_barcode_to_image(code, scale=5))
    pixels = np.full((480, 640), 150, np.uint8)
    pixels[at[1] : at[1] + drawn.shape[0], at[0] : at[0] + drawn.shape[1]] = 30 + (drawn > 127) * 180
    noisy = np.clip(pixels + np.random.default_rng(0).normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
    return Frame(np.repeat(noisy[..., None], 3, axis=2), "top", 0, time.monotonic(), datetime.now(UTC))


@pytest.mark.parametrize("symbology", ["DataMatrix", "QRCode"])
def test_a_gs1_code_says_serial_number_lot_order_and_material(symbology: str) -> None:
    read = read_code(_frame(SAYS, symbology), MODEL)
    assert read.problem is None
    assert (read.serial_number, read.lot, read.job_id, read.material) == ("S0001", "L-7A", "ORDER9", "04012345123456")
    assert read.symbology == symbology


def test_a_plain_code_is_the_serial_number_and_deep_images_are_read_as_well() -> None:
    read = read_code(_frame("部品-17", "QRCode", gs1=False), MODEL)
    assert (read.serial_number, read.lot, read.problem) == ("部品-17", "", None)
    frame = _frame(SAYS)
    deep = Frame(frame.pixels[..., 0].astype(np.uint16) * 16, "top", 0, 0.0, datetime.now(UTC), bits=12)
    assert read_code(deep, MODEL).serial_number == "S0001"


@pytest.mark.parametrize("date", ["(7007)261101261130", "(17)260231", "(4324)2611309999", "(17)260200"])
def test_no_date_costs_the_serial_number(date: str) -> None:
    """A range of days, a day that does not exist, no time, no day: the station uses none of them."""
    read = read_code(_frame(f"(01)04012345123456{date}(10)L-7A(21)S1"), MODEL)
    assert (read.problem, read.material, read.lot, read.serial_number) == (None, "04012345123456", "L-7A", "S1")


def test_a_digital_link_says_what_its_path_says_and_another_address_is_a_serial_number() -> None:
    def read(text: str) -> CodeReading:
        return read_code(_frame(text, "QRCode", gs1=False, at=(205, 105)), MODEL)

    link = read("https://example.com/01/04012345123456/10/L-7A/21/S%2F1?17=261130")
    assert (link.problem, link.material, link.lot, link.serial_number) == (None, "04012345123456", "L-7A", "S/1")
    wrong = read("https://example.com/01/04012345123457/21/S1")
    assert "check digit" in str(wrong.problem)
    assert wrong.serial_number == ""
    place = "https://example.com/414/9520123456788"
    for other in ("https://example.com/parts/17", "http://example.com", "https://", place):
        assert (read(other).serial_number, read(other).problem) == (other, None)


def test_what_cannot_be_read_is_said() -> None:
    frame = _frame(SAYS)
    elsewhere = CodeModel(region=RegionModel(x=0, y=300, width=100, height=100))
    assert str(read_code(frame, elsewhere).problem) == "The code that top sees cannot be read."
    outside = CodeModel(region=RegionModel(x=600, y=0, width=100, height=100))
    assert "is not inside the frame" in str(read_code(frame, outside).problem)
    other = CodeModel(region=MODEL.region, symbologies=("QRCode",))
    assert "cannot be read" in str(read_code(frame, other).problem)
    wrong = read_code(_frame("(01)04012345123457(21)S1", gs1=True), MODEL)
    assert "check digit" in str(wrong.problem)
    assert (wrong.serial_number, wrong.material) == ("", "")


def test_no_part_waits_until_what_reads_its_code_is_imported(bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "biip", raising=False)
    recipe = recipe_of(bundle)
    load_program(recipe)
    assert "biip" not in sys.modules, "a recipe without codes needs none"
    load_program(recipe.model_copy(update={"cameras": {"top": CameraModel(source="fake", code=MODEL)}}))
    assert "biip" in sys.modules


def test_what_is_written_on_the_part_reaches_its_record(behaviour: Behaviour, bundle: str, tmp_path: Path) -> None:
    frame = _frame(SAYS)

    def script(camera: FakeCamera, stop: object) -> object:
        for pixels in (frame.pixels, np.full_like(frame.pixels, 100)):
            yield Frame(pixels, "top", 0, time.monotonic(), datetime.now(UTC), part=f"P{pixels[0, 0, 0]}")

    recipe = recipe_of(bundle)
    recipe = recipe.model_copy(update={"cameras": {"top": CameraModel(source="fake", code=MODEL)}})
    recorder, folder = Recorder(), tmp_path / "archive"
    sinks = [*archive_sinks(RunContext(lot="L0", order="O0"), folder=folder), recorder]
    camera = FakeCamera("top", script, live=False)  # type: ignore[arg-type]
    station = Station(recipe, sinks=sinks, listeners=[recorder], cameras=opener({"top": camera}))
    station.start()
    assert station.wait(30)
    station.stop()
    with opened_archive(folder) as opened:
        first, second = every(opened.database, Filters())
        assert [first[name] for name in ("serial_number", "lot", "job_id", "material")] == [
            "S0001",
            "L-7A",
            "ORDER9",
            "04012345123456",
        ]
        assert [second[name] for name in ("serial_number", "lot", "job_id")] == ["", "L0", "O0"]
        record = result_of(opened.database, second["id"])["record"]
        assert record["notes"] == ["The code that top sees cannot be read."]
        assert record["processing_times"]["code"] > 0
        assert [row["id"] for row in every(opened.database, Filters(serial="S0001", material="04012345123456"))] == [
            first["id"]
        ]
