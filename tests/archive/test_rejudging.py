"""Archived images judged again by another recipe: only flips, each part once, whatever interrupts it."""

import importlib.util
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from inspector.archive.archive import Archive, opened_archive
from inspector.archive.corrections import correct
from inspector.archive.filters import Filters
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.rejudging.chunk import Rejudger, RejudgeRequest
from inspector.archive.rejudging.job import rejudge
from inspector.archive.store import rejudgements
from inspector.archive.store.query import events, every
from inspector.bench.archiving.rejudging import dask_cluster, record_demo_parts
from inspector.recipes.automatic import recipe_for
from inspector.recipes.locate import find_bundle
from inspector.recipes.recipe import ArchiveModel, Recipe
from tests.archive.test_line import _parts, _run
from tests.station.fakes import Behaviour, recipe_of

CLUSTER = """
import sys
from distributed import LocalCluster
options = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": None}
with LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""
TOTAL = 24  # parts; 5 and 17 are NG, every part's image is kept


@pytest.fixture
def opened(behaviour: Behaviour, bundle: str, tmp_path: Path) -> Iterator[Archive]:
    settings = ArchiveModel(ok_every=1)
    _run(bundle, archive_sinks(folder=tmp_path / "archive"), _parts({5, 17}, TOTAL), archive=settings)
    with opened_archive(tmp_path / "archive") as archive:
        yield archive


def _lenient(bundle: str) -> Recipe:
    """The engine is sure to 0.9 of a bad part: with this limit that is too little for NG."""
    return recipe_of(bundle, rules=[{"bundle": bundle, "quantity": "class", "limit": 0.95}])


def test_only_flips_with_their_counts_and_intervals(opened: Archive, bundle: str, behaviour: Behaviour) -> None:
    keys = {row["part_id"]: row["id"] for row in every(opened.database, Filters())}
    correct(opened, [keys["P5"], keys["P6"]], who="Ann", verdict="NG")
    correct(opened, [keys["P7"]], who="Ann", verdict="OK")
    image = next(path for path in (opened.folder / "images").rglob("*.jxl") if f"-{keys['P9'] & 0xFFFF:010d}-" in path.name)
    image.write_bytes(image.read_bytes()[:-9])
    made = rejudge(opened, Filters(), _lenient(bundle), who="Ann")
    assert (made.judged, made.without_images, made.failed) == (TOTAL, 0, 1)
    assert made.found.flips == [(keys[part], "NG", "REVIEW") for part in ("P5", "P17")]
    assert made.found.counts["OK"] == {"OK": TOTAL - 3, "REVIEW": 0, "NOT_INSPECTED": 0, "NG": 0}
    misses, rejects = made.found.misses[1], made.found.false_rejects[1]
    assert (misses.count, misses.of, rejects.count, rejects.of) == (1, 2, 0, 1)
    assert misses.low < 0.5 < misses.high
    assert "0.95" in rejudgements.reasons(opened.database, made.name, [keys["P5"]])[keys["P5"]]
    (event,) = (event for event in events(opened.database) if event["what"] == "rejudgement")
    assert json.loads(event["detail"])["flips"] == 2
    again = rejudge(opened, Filters(), _lenient(bundle))
    assert (again.judged, again.found.flips) == (0, made.found.flips)
    part = rejudge(opened, Filters(verdict="NG"), _lenient(bundle))
    assert (part.judged, part.found.inspections) == (2, 2)


def test_a_rise_is_over_the_time_of_the_line_and_not_over_that_of_reading(opened: Archive, bundle: str) -> None:
    rule = {"bundle": bundle, "quantity": "score", "class_name": "bad", "limit": 2.0, "rise_s": 60.0}
    recipe = recipe_of(bundle, rules=[rule])
    name = rejudgements.begin(opened.database, Filters(), recipe="", bundles=[], who="")
    (parts,) = rejudgements.pending(opened.database, name, Filters())
    assert all(datetime.fromisoformat(one.frames["top"]["utc"]).tzinfo is not None for one in parts)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    spaced = [
        replace(one, frames={"top": {**one.frames["top"], "utc": (start + timedelta(seconds=10 * number)).isoformat()}})
        for number, one in enumerate(parts)
    ]
    with Rejudger(RejudgeRequest(opened.folder, recipe.model_dump_json())) as rejudger:
        said = rejudger.judge(spaced)
    # One score of seven within a minute is higher by less than 1: 0.5 a minute. Over the time of reading it would be hundreds.
    assert [one.verdict for one in said] == ["REVIEW", "REVIEW", *["OK"] * (TOTAL - 2)]


def test_what_was_interrupted_goes_on_and_each_part_is_judged_once(
    opened: Archive, bundle: str, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejudgements, "CHUNK", 4)
    behaviour.batches.clear()

    def interrupted(judged: int) -> None:
        if judged == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rejudge(opened, Filters(), _lenient(bundle), progress=interrupted)
    made = rejudge(opened, Filters(), _lenient(bundle))
    assert (made.judged, sum(behaviour.batches)) == (TOTAL - 8, TOTAL)
    assert len(made.found.flips) == 2
    assert behaviour.closed == behaviour.opened, "engines were left open"


CHUNKS_OF_4 = """
import sys
from inspector.archive.store import rejudgements
rejudgements.CHUNK = 4
from inspector.cli.main import run
sys.exit(run())
"""

pytestmark = pytest.mark.timeout(600)  # processes of this program, one after the other


def _workers() -> list[psutil.Process]:
    running = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in running if any("dask_worker" in part for part in one.cmdline())]


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="dask is not installed")
def test_a_worker_and_then_the_whole_program_may_be_killed_and_each_part_is_judged_once(tmp_path: Path) -> None:
    folder, count = tmp_path / "archive", 48
    recipe = recipe_for([find_bundle("window-state")], "simulated").model_copy(update={"archive": ArchiveModel(ok_every=1)})
    record_demo_parts(folder, recipe, count)
    with dask_cluster(tmp_path / "dask", workers=2) as address, opened_archive(folder) as archive:
        arguments = ["archive", "--folder", str(folder), "rejudge", "--model", "window-state", "--cluster", address, "--json"]
        command = [sys.executable, "-c", CHUNKS_OF_4, *arguments]

        def judged() -> int:
            with archive.database.read() as connection:
                return int(connection.exec_driver_sql("SELECT count(*) FROM rejudged").scalar_one())

        def wait_for(number: int, running: "subprocess.Popen[str]") -> int:
            while (found := judged()) < number and running.poll() is None:
                time.sleep(0.02)  # of another process, which tells nobody
            return found

        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
            wait_for(4, first)
            _workers()[0].kill()
            before = wait_for(judged() + 4, first)  # the other one goes on
            first.kill()
        assert 0 < before < count
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        found = json.loads(done.stdout)
        assert found["failed"] == 0
        assert before <= count - found["judged"] < count
        assert judged() == count
        (event,) = (one for one in events(archive.database) if one["what"] == "rejudgement")
        assert json.loads(event["detail"])["judged"] == found["judged"]
        for one in _workers():
            one.kill()
        alone = subprocess.run([*command, "--part", "P1"], capture_output=True, text=True, check=False, timeout=300)
        assert "has no workers" in alone.stderr


@pytest.mark.slow  # workers are silent for ten seconds before they are named
@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="dask is not installed")
def test_a_worker_that_is_suspended_is_named_and_judges_on_when_it_may(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    recipe = recipe_for([find_bundle("window-state")], "simulated").model_copy(update={"archive": ArchiveModel(ok_every=1)})
    record_demo_parts(folder, recipe, 24)
    with dask_cluster(tmp_path / "dask", workers=2) as address:
        arguments = ["archive", "--folder", str(folder), "rejudge", "--model", "window-state", "--cluster", address, "--json"]
        worker = _workers()[0]
        worker.suspend()
        command = [sys.executable, "-c", CHUNKS_OF_4, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr is not None
            try:
                said = running.stderr.readline()
            finally:
                worker.resume()
            judged, _ = running.communicate(timeout=300)
        assert re.search(r"The worker tcp://\S+ of the cluster has not been heard for 1\d s", said)
        found = json.loads(judged)
        assert (found["judged"], found["failed"]) == (24, 0)


def test_the_command_judges_with_the_shipped_bundle_as_predict_does_here_and_on_a_cluster(tmp_path: Path) -> None:
    folder, model = tmp_path / "archive", find_bundle("window-state")
    recipe = recipe_for([model], "simulated").model_copy(update={"archive": ArchiveModel(ok_every=1)})
    record_demo_parts(folder, recipe, 12)
    of = [sys.executable, "-m", "inspector", "archive", "--folder", str(folder)]
    command = [*of, "rejudge", "--model", "window-state", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found = json.loads(done.stdout)
    assert (found["judged"], found["failed"], found["flips"]) == (12, 0, [])
    if importlib.util.find_spec("distributed") is None:
        return
    with opened_archive(folder) as archive, archive.database.write() as connection:
        left = connection.exec_driver_sql("DELETE FROM rejudged WHERE result_id % 4").rowcount
    with subprocess.Popen([sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        both = [*command, "--cluster", address]
        done = subprocess.run(both, capture_output=True, text=True, check=True, timeout=300)
        cluster.stdin.close()
    shared = json.loads(done.stdout)
    assert 0 < left < 12
    assert shared == {**found, "judged": left}
    gone = subprocess.run([*both, "--part", "P1"], capture_output=True, text=True, check=False, timeout=300)
    assert gone.returncode != 0
    assert f"The cluster {address} does not answer" in gone.stderr
    login = [*command, "--cluster", "tcp://bob:hunter2@127.0.0.1:8786"]
    refused = subprocess.run(login, capture_output=True, text=True, check=False, timeout=300)
    assert refused.returncode != 0
    assert "may not hold a user" in refused.stderr
    assert "hunter2" not in refused.stderr
