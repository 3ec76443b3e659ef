"""Which bundles a station uses: not one that changed, and with a plant key only signed ones."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.bundles.acceptance import ACCEPTED, PLANT_KEY
from inspector.bundles.bundle import CARD, Bundle
from inspector.cli.main import cli
from inspector.core.errors import ConfigError
from inspector.core.storage.paths import user_config, user_data
from inspector.inspection.status import StationState
from inspector.recipes.recipe import Recipe
from inspector.results.records import record
from inspector.station.station import Station
from tests.station.fakes import Behaviour, FakeCamera, Recorder, opener, recipe_of, running, steady, write_classifier


@pytest.fixture(autouse=True)
def _own_lists() -> Iterator[None]:
    yield
    (user_data() / ACCEPTED).unlink(missing_ok=True)
    (user_config() / PLANT_KEY).unlink(missing_ok=True)


def _change(bundle: Path) -> None:
    """Another threshold by hand, which no hash of a file notices."""
    card = json.loads((bundle / CARD).read_bytes())
    card["thresholds"]["score"] = 0.01
    (bundle / CARD).write_text(json.dumps(card))


def _refusal(recipe: Recipe) -> str:
    """What a station says that does not start."""
    recorder = Recorder()
    station = Station(recipe, listeners=[recorder], cameras=opener({"top": FakeCamera("top", steady(1), live=False)}))
    station.start()
    station.wait(10)
    recorder.wait_for(lambda it: it.status.state is StationState.STOPPED)
    station.stop()
    failure = recorder.status.failure
    return "" if failure is None else str(failure)


def _command(*arguments: str | Path) -> str:
    done = CliRunner().invoke(cli, ["bundle", *map(str, arguments)], catch_exceptions=True)
    if isinstance(done.exception, ConfigError):
        raise done.exception
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def _runs(recipe: Recipe) -> dict[str, object]:
    """The record of the one part of a station that starts."""
    with running(recipe, FakeCamera("top", steady(1), live=False)) as (_, recorder):
        recorder.wait_for(lambda it: len(it.inspections) == 1)
        return record(recorder.inspections[0])


def test_a_changed_bundle_waits_until_it_is_accepted(behaviour: Behaviour, tmp_path: Path) -> None:
    bundle = write_classifier(tmp_path / "states")
    recipe = recipe_of(str(bundle))
    first = _runs(recipe)
    assert first["bundles"] == {"states": Bundle.open(bundle).fingerprint}
    assert first["cards"] == {"states": Bundle.open(bundle).card_digest}
    assert len(str(first["recipe_digest"])) == 64
    _change(bundle)
    said = _refusal(recipe)
    assert "has changed since it was accepted" in said
    assert f"inspector bundle accept {bundle}" in said
    assert behaviour.opened == 1
    _command("accept", bundle)
    second = _runs(recipe)
    assert second["bundles"] != first["bundles"]
    assert second["cards"] != first["cards"]


def test_a_running_line_keeps_its_bundle_when_the_new_one_is_refused(behaviour: Behaviour, tmp_path: Path) -> None:
    bundle = write_classifier(tmp_path / "states")
    recipe = recipe_of(str(bundle))
    with running(recipe, FakeCamera("top", steady(0, pause=0.01), live=True)) as (station, recorder):
        recorder.wait_for(lambda it: len(it.inspections) > 2)
        _change(bundle)
        station.apply(recipe.model_copy(update={"revision": 2, "max_batch": 2}))
        recorder.wait_for(lambda it: any(fault is not None for _, fault in it.faults))
        count = len(recorder.inspections)
        recorder.wait_for(lambda it: len(it.inspections) > count + 2)
        assert recorder.inspections[-1].revision == 1


def test_a_list_that_cannot_be_read_accepts_nothing(behaviour: Behaviour, tmp_path: Path) -> None:
    bundle = write_classifier(tmp_path / "states")
    recipe = recipe_of(str(bundle))
    _runs(recipe)
    (user_data() / ACCEPTED).write_bytes(b"{")
    assert "cannot be read" in _refusal(recipe)


def test_a_station_with_a_plant_key_uses_signed_bundles_only(behaviour: Behaviour, tmp_path: Path) -> None:
    bundle = write_classifier(tmp_path / "states")
    recipe, key = recipe_of(str(bundle)), tmp_path / "plant"
    assert _command("make-key", key).splitlines() == [f"Private key: {key}", f"Public key: {key}.pub"]
    assert key.stat().st_mode & 0o077 == 0
    _command("trust", tmp_path / "plant.pub")
    assert "is not signed" in _refusal(recipe)
    _command("sign", bundle, "--key", key)
    assert "Signed with the key" in _command("verify", bundle)
    _runs(recipe)
    copy = Bundle.open(bundle).copy_to(tmp_path / "copy")
    assert copy.fingerprint == Bundle.open(bundle).fingerprint
    _runs(recipe_of(str(copy.folder)))
    _change(bundle)
    _command("accept", bundle)
    assert "has changed since it was signed" in _refusal(recipe)
    _command("make-key", tmp_path / "other")
    _command("sign", bundle, "--key", tmp_path / "other")
    assert "is not the plant's" in _refusal(recipe)
    for wrong in ((tmp_path / "none", "public"), (bundle / CARD, "public")):
        with pytest.raises(ConfigError, match="is not an Ed25519 public key"):
            _command("trust", wrong[0])
    _command("trust", "--remove")
    _runs(recipe)


@pytest.mark.parametrize("spoil", [lambda folder: (folder / "signature.json").write_text("{}")])
def test_a_signature_that_is_nonsense_is_none(behaviour: Behaviour, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    bundle = write_classifier(tmp_path / "states")
    _command("make-key", tmp_path / "plant")
    _command("sign", bundle, "--key", tmp_path / "plant")
    spoil(bundle)
    with pytest.raises(ConfigError, match="is not the plant's"):
        _command("verify", bundle, "--key", tmp_path / "plant.pub")
