"""NaN, infinity, endless integers and bottomless documents are refused in one sentence, wherever they come from."""

import json
import math
import pkgutil
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
import tomlkit
from pydantic import BaseModel, TypeAdapter, ValidationError

import inspector
from inspector.bundles.bundle import CARD, LARGEST_CARD, Bundle, read_card
from inspector.core.config import FiniteModel
from inspector.core.errors import ConfigError, InspectorError, JobError
from inspector.core.storage.paths import models, resources
from inspector.core.untrusted import parse_json, parse_toml
from inspector.recipes.recipe import Recipe, load_recipe
from inspector.runs.folder import RUN, read_run
from inspector.tuning.store import load_tunings
from inspector.workers.messages import EpochDone, worker_message
from inspector.workers.protocol import LineDecoder, Number

HAS_QT = find_spec("PySide6") is not None
NO_NUMBERS = (math.nan, math.inf, -math.inf, 10**400)
ENDLESS = (10**30, -(10**30))
TOGETHER: Mapping[str, Mapping[str, int]] = {"width": {"height": 224}, "height": {"width": 224}}
PACKAGES = ("core", "imaging", "bundles", "workers", "runs", "cameras", "recipes", "inspection", "tuning", "station")


def every_model() -> list[type[BaseModel]]:
    """Every pydantic model of the program that is read from files or processes; a report of a training only tells."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages([str(Path(inspector.__file__).parent / package)], f"inspector.{package}."):
            import_module(module.name)
    found: list[type[BaseModel]] = []
    waiting: list[type[BaseModel]] = [BaseModel]
    while waiting:
        for model in waiting.pop().__subclasses__():
            waiting.append(model)
            if model.__module__.startswith("inspector.") and model.__module__ != "inspector.runs.report":
                found.append(model)
    return sorted(set(found), key=lambda model: model.__qualname__)


def numeric(annotation: Any, path: str = "") -> Iterator[tuple[str, Callable[[object], object]]]:
    """(what it is, a function that puts a number at that place of a value) of every int and float inside an annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in (int, float):
        yield f"{path}:{annotation.__name__}", lambda number: number
    elif origin is Annotated:
        yield from numeric(arguments[0], path)
    elif origin in (Union, UnionType):
        for one in arguments:
            yield from numeric(one, path)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        for what, put in numeric(arguments[1], f"{path}{{}}"):
            yield what, lambda number, put=put: {"key": put(number)}
    elif isinstance(origin, type) and issubclass(origin, Sequence):
        kinds = arguments[:1] if arguments[1:] == (...,) or origin is not tuple else arguments
        for index, kind in enumerate(kinds):
            for what, put in numeric(kind, f"{path}[{index}]"):
                yield (
                    what,
                    lambda number, put=put, index=index, kinds=kinds: [
                        put(number) if at == index else 1 for at in range(len(kinds))
                    ],
                )


def travels_as_null(annotation: object, metadata: Sequence[object] = ()) -> bool:
    """Whether a value may be measured as NaN, and then arrives as None (`workers.protocol.Number`)."""
    inside = [*metadata, *(get_args(annotation)[1:] if get_origin(annotation) is Annotated else ())]
    return any(one == get_args(Number)[1] for one in inside) or any(travels_as_null(one) for one in get_args(annotation))


def places() -> Iterator[Any]:
    for model in every_model():
        for name, field in model.model_fields.items():
            if travels_as_null(field.annotation, field.metadata):
                continue
            for what, put in numeric(field.annotation):
                yield pytest.param(model, name, put, what.endswith(":int"), id=f"{model.__name__}.{name}{what}")


@pytest.mark.parametrize(("model", "name", "put", "integer"), list(places()))
def test_every_number_of_every_model_is_finite_and_every_integer_bounded(
    model: type[BaseModel], name: str, put: Callable[[object], object], integer: bool
) -> None:
    for number in (*NO_NUMBERS, *(ENDLESS if integer else ())):
        with pytest.raises(ValidationError) as error:
            model.model_validate({**TOGETHER.get(name, {}), name: put(number)})
        assert any(problem["loc"][:1] == (name,) and problem["type"] != "missing" for problem in error.value.errors()), number


def _takes_truth(annotation: Any) -> bool:
    return annotation is bool or any(map(_takes_truth, get_args(annotation)))


def test_true_is_no_number_of_any_model() -> None:
    tried = 0
    for model, name, put, _ in (place.values for place in places()):
        if _takes_truth(model.model_fields[name].annotation):
            continue
        tried += 1
        with pytest.raises(ValidationError) as error:
            model.model_validate({**TOGETHER.get(name, {}), name: put(True)})
        assert any(problem["loc"][:1] == (name,) for problem in error.value.errors() if problem["type"] != "missing"), name
    assert tried > 150


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_may_be_measured_as_nan_arrives_as_nothing(number: float) -> None:
    assert TypeAdapter(Number).validate_python(number) is None
    assert {name for name, field in EpochDone.model_fields.items() if travels_as_null(field.annotation, field.metadata)} == {
        "loss",
        "val_loss",
        "lr",
        "seconds",
        "value",
        "val",
    }


def test_no_model_is_left_out() -> None:
    found = every_model()
    assert {"Recipe", "Gate", "Rule", "Card", "InputSpec", "TrainSettings", "RunRecord", "Tuning", "SimulatedOptions"} <= {
        model.__name__ for model in found
    }
    assert [model.__name__ for model in found if not issubclass(model, FiniteModel)] == []


# ---- whole files: every number in one, replaced --------------------


def leaves(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*at, index))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield at


def with_marker(data: Any, at: tuple[Any, ...]) -> Any:
    """A copy with "@@" at a place."""
    copy = json.loads(json.dumps(data))
    place = copy
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = "@@"
    return copy


def one_line(error: pytest.ExceptionInfo[BaseException]) -> None:
    assert isinstance(error.value, InspectorError)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 2000


def test_every_number_of_a_card(tmp_path: Path) -> None:
    data = json.loads((models() / "equipment-temperature" / CARD).read_text("utf-8"))
    places = list(leaves(data))
    assert len(places) > 30
    for at in places:
        for text in ("NaN", "-Infinity", "1e400", "1" + "0" * 30, "9" * 5000):
            (tmp_path / CARD).write_text(json.dumps(with_marker(data, at)).replace('"@@"', text), "utf-8")
            with pytest.raises(ConfigError) as error:
                read_card(tmp_path)
            one_line(error)


def test_every_number_of_a_recipe(tmp_path: Path) -> None:
    data = load_recipe(resources() / "recipes" / "demo-line.toml").model_dump(mode="json", exclude_none=True)
    places = list(leaves(data))
    assert len(places) > 20
    file = tmp_path / "recipe.toml"
    for at in places:
        for text in ("nan", "-inf", "1e400", "1" + "0" * 30, "9" * 5000):
            file.write_text(tomlkit.dumps(with_marker(data, at)).replace('"@@"', text), "utf-8")
            with pytest.raises(ConfigError) as error:
                load_recipe(file)
            one_line(error)


def test_a_limit_that_is_no_number_is_refused_before_a_part_is_ok(tmp_path: Path) -> None:
    text = (resources() / "recipes" / "demo-line.toml").read_text("utf-8")
    lines = ["limit = nan" if line.startswith("limit =") else line for line in text.splitlines()]
    assert "limit = nan" in lines
    (tmp_path / "recipe.toml").write_text("\n".join(lines), "utf-8")
    with pytest.raises(ConfigError, match="nan is not a finite number"):
        load_recipe(tmp_path / "recipe.toml")
    with pytest.raises(ValidationError, match="finite"):
        Recipe.model_validate(
            {
                "name": "a",
                "cameras": {"a": {"source": "simulated"}},
                "inspect": [{"bundle": "b", "camera": "a"}],
                "rules": [{"bundle": "b", "quantity": "count", "limit": math.nan}],
            }
        )


def starts_with_its_defaults(file: Path) -> bool:
    """Whether the window, where Qt is installed, starts from such a settings file as if there were none."""
    if not HAS_QT:
        return True
    from inspector.ui.shell.settings import Preferences, Settings

    return Settings(file).preferences == Preferences()


DEEP = ("[" * 100_000, "[" * 70 + "]" * 70, '{"a":' * 100_000, '{"name":' + "[" * 500 + "]" * 500 + "}")


@pytest.mark.parametrize("text", DEEP, ids=["open", "just-too-deep", "objects", "closed"])
def test_json_without_bottom(text: str, tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(text, "utf-8")
    with pytest.raises(ConfigError) as error:
        read_card(tmp_path)
    one_line(error)
    (tmp_path / RUN).write_text(text, "utf-8")
    with pytest.raises(ConfigError) as error:
        read_run(tmp_path)
    one_line(error)
    with pytest.raises(JobError) as told:
        list(LineDecoder(worker_message).feed(b'{"type": "metric", "value": ' + text.encode() + b"}\n"))
    one_line(told)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "1" + "0" * 20])
def test_a_line_from_a_worker_with_a_number_that_is_none(number: str) -> None:
    decoder = LineDecoder(worker_message)
    with pytest.raises(JobError) as error:
        list(decoder.feed(b'{"type": "progress", "phase": "train", "step": ' + number.encode() + b"}\n"))
    one_line(error)
    assert [packet.type for packet in decoder.feed(b'{"type": "log"}\n')] == ["log"]


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 100 + "]" * 100,
        ".".join("a" * 150) + " = 1",
        "[" + ".".join("a" * 150) + "]",
        "a = " + "{a=" * 5000,
    ],
    ids=["open", "closed", "dotted", "header", "inline"],
)
@pytest.mark.allow_logs("is not usable, so the window starts with its defaults")
def test_toml_without_bottom(text: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as error:
        load_recipe(file)
    one_line(error)
    assert starts_with_its_defaults(file)


@pytest.mark.allow_logs("is not usable, so the window starts with its defaults")
def test_files_without_end(tmp_path: Path) -> None:
    with (tmp_path / CARD).open("wb") as stream:
        stream.truncate(200 * 1024 * 1024)
    with pytest.raises(ConfigError, match=f"larger than {LARGEST_CARD} bytes"):
        read_card(tmp_path)
    with (tmp_path / "recipe.toml").open("wb") as stream:
        stream.truncate(200 * 1024 * 1024)
    with pytest.raises(ConfigError, match="larger than 262144 bytes"):
        load_recipe(tmp_path / "recipe.toml")
    assert starts_with_its_defaults(tmp_path / "recipe.toml")
    assert load_tunings("demo", root=tmp_path) == []


def test_numbers_at_the_bounds_are_taken() -> None:
    assert parse_json(f'[{2**53 - 1}, -{2**53 - 1}, 1.7e308, "{"9" * 400}"]') == [2**53 - 1, 1 - 2**53, 1.7e308, "9" * 400]
    assert parse_toml(f"a = {2**53 - 1}\nb.c = 1.5") == {"a": 2**53 - 1, "b": {"c": 1.5}}


# ---- the card is part of what a bundle is --------------------


def test_an_edited_card_is_another_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "plate"
    shutil.copytree(models() / "plate-mask", folder)
    folder.joinpath(CARD).chmod(0o644)
    before = Bundle.open(folder)
    data = json.loads((folder / CARD).read_text("utf-8"))
    found = {before.fingerprint}
    for changes in (
        {"thresholds": {**data["thresholds"], "mask": 0.9}},
        {"classes": data["classes"][::-1]},
        {"ok_classes": data["classes"]},
        {"mean": [value + 1 for value in data["mean"]]},
        {"input": {**data["input"], "fit": "letterbox"}},
        {"max_batch": 3},
    ):
        (folder / CARD).write_text(json.dumps({**data, **changes}), "utf-8")
        found.add(Bundle.open(folder).fingerprint)
    assert len(found) == 7
    reordered = dict(reversed(data.items())) | {"variants": []}
    (folder / CARD).write_text(
        json.dumps(reordered, indent=7), "utf-8"
    )  # the same card, written otherwise and without variants
    assert Bundle.open(folder).fingerprint == before.fingerprint
