"""Heat maps of NG parts: made by a real worker beside the line, kept in the archive and with the run, and found again."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from inspector.archive.archive import opened_archive
from inspector.archive.exports.evidence import write_evidence
from inspector.archive.filters import Filters
from inspector.archive.reading import read_part
from inspector.archive.recording.heat import content_of, heat_keepers, heat_of
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.store.models import HeatRow
from inspector.archive.store.query import every
from inspector.archive.store.retention import RetentionPolicy, run_retention
from inspector.archive.store.verify import verify
from inspector.bundles.bundle import Bundle
from inspector.cli.main import cli
from inspector.core.errors import EngineError
from inspector.core.types import Frame, Inspection, JudgedBy, Judgement, Prediction, Region, Scores, Temperatures, Verdict
from inspector.engines.explainer import HeatMap
from inspector.inspection.status import StationStatus
from inspector.recipes.recipe import ArchiveModel, CameraModel, InspectModel, Recipe, Rule
from inspector.results.heat import Keep, PartHeat, class_of, decisive, output_of
from inspector.results.saving import PictureSink, RecordSink, RunFolder
from inspector.station.heat_maps import HeatSink
from inspector.station.station import Station
from tests.archive.migrated import check_back_and_forward
from tests.children import workers
from tests.untrained import write_untrained

WHOLE = Region(0, 0, 64, 48)


@pytest.fixture
def ran(tmp_path: Path) -> tuple[Path, RunFolder, HeatSink]:
    """A run of six parts that are all NG for a class: the archive's folder, the run's, and the sink, which has ended."""
    bundle = write_untrained(tmp_path / "states")
    rule = Rule(bundle="states", quantity="score", class_name="mild", limit=0.0)
    recipe = Recipe(
        name="plates",
        engine="onnxruntime",
        cameras={"camera": CameraModel(source="simulated:visible")},
        inspect=(InspectModel(bundle="states", camera="camera"),),
        rules=(rule,),
        archive=ArchiveModel(heat=True),
    )
    archiving, folder = archive_sinks(folder=tmp_path / "archive"), RunFolder(tmp_path / "out")
    maps = HeatSink([*heat_keepers(archiving), folder.heat], base=bundle.folder.parent, low_priority=False)
    pictures = PictureSink(folder)
    sinks = [*archiving, RecordSink(folder), pictures, maps]
    station = Station(recipe, base=bundle.folder.parent, sinks=sinks, limit=6)
    station.start()
    assert station.wait(60)
    station.stop()
    assert maps.finish(100)
    pictures.close(station.status)
    return tmp_path / "archive", folder, maps


def test_maps_of_ng_parts_are_kept_and_found_again(ran: tuple[Path, RunFolder, HeatSink], tmp_path: Path) -> None:
    archive, saved = ran[0], ran[1].folder
    assert (ran[2].made, ran[2].missed, ran[2].problem) == (6, 0, None)
    assert not workers()
    told = [json.loads(line) for line in (saved / "heat.jsonl").read_text().splitlines()]
    assert [one["sequence"] for one in told] == list(range(6))
    (first,) = told[0]["heat"]
    assert (first["class"], first["camera"], first["bundle"]) == ("mild", "camera", "states")
    frame = cv2.imread(str(saved / first["picture"]))
    assert frame is not None
    page = (saved / "report.html").read_text()
    assert all(one["heat"][0]["picture"] in page for one in told)
    with opened_archive(archive) as opened:
        keys = [row["id"] for row in every(opened.database, Filters(verdict="NG"))]
        assert len(keys) == 6
        read = read_part(opened, keys[0])
        (kept,) = read.heat
        assert (kept.heat.class_name, kept.camera, kept.bundle) == ("mild", "camera", "states")
        (shown,) = read.inspection.frames.values()
        assert frame.shape[:2] == (shown.height, shown.width) == (kept.heat.region.height, kept.heat.region.width)
        assert kept.heat.values.max() == pytest.approx(1.0, abs=0.1)
        assert verify(opened.database, archive, images=True).sound
        bag = write_evidence(opened, keys[:1], tmp_path / "bag")
        (overlay,) = bag.glob("data/*/camera-heat.png")
        assert cv2.imread(str(overlay)).shape == frame.shape
        (record,) = bag.glob("data/*/heat.json")
        assert json.loads(record.read_text())["maps"][0]["class"] == "mild"
        check_back_and_forward(opened.database)
        assert len(read_part(opened, keys[0]).heat) == 1
        run_retention(opened, RetentionPolicy(record_days=1), now=read.inspection.utc.timestamp() + 5 * 86400)
        with opened.database.read() as connection:
            assert connection.execute(select(HeatRow.result_id)).scalars().all() == []
        assert verify(opened.database, archive).sound


def _judged(number: int, bundle: Bundle) -> Inspection:
    """Return a part that this bundle found to be NG."""
    frame = Frame(np.zeros((48, 64, 3), np.uint8), "top", number, 0.0, datetime.now(UTC))
    scores = Prediction("states", "classification", "top", ("normal", "mild"), WHOLE, Scores(np.float32([0.2, 0.8])))
    judgement = Judgement(0, "states", "top", WHOLE, "score", "mild", 0.8, "above", 0.5, Verdict.NG)
    by = JudgedBy(bundles={"states": bundle.fingerprint})
    made = Inspection(f"P{number}", number, Verdict.NG, (), {"top": frame}, (scores,), "r", 1, 1.0, judgements=(judgement,))
    return replace(made, judged_by=by)


class _Explainer:
    """Says by which bundle it explains, and fails where it is told to."""

    opened: ClassVar[list[str]] = []
    asked: ClassVar[list[str]] = []
    fails: ClassVar[bool] = False

    def __init__(self, bundle: Bundle, **_: object) -> None:
        self.fingerprint = bundle.fingerprint
        self.opened.append(bundle.fingerprint)

    def layers(self) -> list[str]:
        return ["block3"]

    def explain(self, *_: object, **_given: object) -> HeatMap:
        self.asked.append(self.fingerprint)  # a worker that has died is then started again
        if self.fails:
            raise EngineError("The worker died.")
        return HeatMap(np.ones((4, 4), np.float32), WHOLE, "block3", self.fingerprint, 1.0)

    def abort(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def explainers(monkeypatch: pytest.MonkeyPatch) -> type[_Explainer]:
    monkeypatch.setattr("inspector.station.heat_maps.Explainer", _Explainer)
    monkeypatch.setattr(_Explainer, "opened", [])
    monkeypatch.setattr(_Explainer, "asked", [])
    return _Explainer


def _sink(keep: Keep, base: Path) -> HeatSink:
    sink = HeatSink([keep], base=base)
    sink.open(StationStatus(recipe=Recipe.model_construct(archive=ArchiveModel(heat=True))))
    return sink


def _until(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_part_is_explained_by_the_bundle_that_judged_it_also_where_another_took_its_place(
    explainers: type[_Explainer], tmp_path: Path
) -> None:
    kept: dict[str, str] = {}
    sink = _sink(lambda part, maps: kept.update({part.part: maps[0].heat.class_name}), tmp_path)
    before = write_untrained(tmp_path / "states")
    sink.take(_judged(0, before))
    _until(lambda: sink.made == 1)
    shutil.rmtree(before.folder)
    after = write_untrained(tmp_path / "states", seed=4)
    sink.take(_judged(1, after))
    sink.close(StationStatus())
    assert sink.finish(10)
    assert kept == {"P0": before.fingerprint, "P1": after.fingerprint}
    assert explainers.opened == [before.fingerprint, after.fingerprint]


def test_a_worker_that_dies_is_not_started_again_for_every_part(
    explainers: type[_Explainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explainers, "fails", True)
    sink, bundle = _sink(lambda *_: None, tmp_path), write_untrained(tmp_path / "states")
    for number in range(4):
        with suppress(EngineError):  # which is reported at each part
            sink.take(_judged(number, bundle))
    sink.close(StationStatus())
    assert sink.finish(10)
    assert (sink.made, sink.missed, explainers.asked) == (0, 4, [bundle.fingerprint])


def test_the_end_does_not_wait_for_a_disk_that_hangs(
    explainers: type[_Explainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.station.heat_maps._GIVE_UP_S", 0.2)
    reached, free = threading.Event(), threading.Event()

    def keep(*_: object) -> None:
        reached.set()
        free.wait(20)

    sink = _sink(keep, tmp_path)
    sink.take(_judged(0, write_untrained(tmp_path / "states")))
    assert reached.wait(10)
    ending = threading.Thread(target=sink.give_up, daemon=True)
    ending.start()
    ending.join(5)
    assert not ending.is_alive()
    free.set()
    assert sink.finish(10)


def test_a_map_in_a_record_is_small_and_one_that_is_damaged_is_said(ran_map: PartHeat) -> None:
    content = content_of(ran_map)
    again = heat_of(content)
    assert again.heat.values.shape == (72, 96)
    assert len(json.dumps(content)) < 8000
    expected = cv2.resize(ran_map.heat.values, (96, 72), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(again.heat.values, expected, atol=1 / 255)
    assert (again.heat.region, again.heat.class_name, again.bundle) == (WHOLE, "mild", "states")
    for broken in ({"png": "bm8="}, {"png": "?"}, {"region": [1]}, {"target": "hot"}, {"png": None}):
        with pytest.raises(ValueError, match="heat map cannot be read"):
            heat_of({**content, **broken})


@pytest.fixture
def ran_map() -> PartHeat:
    y, x = np.mgrid[0:240, 0:320].astype(np.float32)
    values = np.exp(-((x - 200) ** 2 + (y - 60) ** 2) / 2000).astype(np.float32)
    return PartHeat("top", "states", HeatMap(values, WHOLE, "block3", "mild", 2.5))


def test_maps_need_a_place(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["run", "--limit", "1", "--heat", "--no-archive"])
    assert result.exit_code == 2
    assert "a place to keep the maps" in result.output


def test_what_is_explained_is_what_made_the_part_ng() -> None:
    frame = Frame(np.zeros((48, 64, 3), np.uint8), "top", 0, 0.0, datetime.now(UTC))
    scores = Prediction("states", "classification", "top", ("good", "mild"), WHOLE, Scores(np.float32([0.2, 0.8])))
    warm = Prediction("heat", "thermal", "top", (), WHOLE, Temperatures(350.0, 320.0, 300.0, "measured"))

    def judged(bundle: str, quantity: str, name: str, verdict: Verdict = Verdict.NG, camera: str = "top") -> Judgement:
        return Judgement(0, bundle, camera, WHOLE, quantity, name, 1.0, "above", 0.5, verdict)

    judgements = (
        judged("states", "score", "good", Verdict.OK),
        judged("states", "score", "mild"),
        judged("states", "class", "mild"),  # the same map
        judged("states", "class", "mild", camera="gone"),  # without a frame
        judged("heat", "temperature_mean", "-"),
    )
    made = Inspection("P", 0, Verdict.NG, (), {"top": frame}, (scores, warm), "r", 1, 1.0, judgements=judgements)
    found = decisive(made)
    assert [(one.bundle, one.quantity) for one in found] == [("states", "score"), ("heat", "temperature_mean")]
    assert [class_of(made, one) for one in found] == [1, None]
    assert [output_of(made, one) for one in found] == [None, 1]
