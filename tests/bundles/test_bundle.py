"""Bundles are written whole or not at all, and nothing in one is trusted before it was verified."""

import json
import os
import pickle
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from inspector.bundles.bundle import CARD, GRAPH, WEIGHTS, Bundle, Card, read_card, sha256, write_bundle
from inspector.bundles.external_data import external_files
from inspector.bundles.variants import Variant
from inspector.core.errors import BundleError, ConfigError, StorageError
from inspector.core.storage.paths import models, user_data
from inspector.core.types import Precision
from inspector.imaging.preprocessing import InputSpec
from inspector.recipes.locate import find_bundles


def card(**changes: Any) -> Card:
    return Card(
        name="window",
        task="classification",
        network="simple_cnn",
        classes=("normal", "severe"),
        input=InputSpec(width=16, height=16),
        mean=(0.0, 0.0, 0.0),
        std=(255.0, 255.0, 255.0),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        software="test",
        **changes,
    )


def fill(folder: Path) -> None:
    save_file({"layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}, folder / WEIGHTS)
    (folder / GRAPH).write_bytes(b"a graph")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "window", card(), fill).folder


def change_card(folder: Path, **changes: object) -> None:
    """Rewrite fields of the card, as somebody with a text editor could."""
    data = json.loads((folder / CARD).read_text("utf-8"))
    (folder / CARD).write_text(json.dumps({**data, **changes}), "utf-8")


def one_sentence(error: pytest.ExceptionInfo[Any]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_what_was_written_is_what_is_opened(folder: Path) -> None:
    bundle = Bundle.open(folder)
    assert bundle.card.files == {WEIGHTS: sha256(folder / WEIGHTS), GRAPH: sha256(folder / GRAPH)}
    assert bundle.card.model_copy(update={"files": {}}) == card()
    np.testing.assert_array_equal(bundle.weights()["layer.weight"], [[0, 1, 2], [3, 4, 5]])
    assert find_bundles(folder.parent) == [folder]
    assert [path.name for path in folder.parent.iterdir()] == ["window"]


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # the example of FIPS 180-2
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_failed_write_leaves_the_earlier_bundle(folder: Path) -> None:
    before = read_card(folder)

    def full_disk(temporary: Path) -> None:
        fill(temporary)
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left on device") as caught:
        write_bundle(folder, card(max_batch=3), full_disk)
    assert str(folder) in one_sentence(caught)
    assert Bundle.open(folder).card == before
    assert [path.name for path in folder.parent.iterdir()] == ["window"]


def test_a_second_write_replaces_the_first(folder: Path) -> None:
    write_bundle(folder, card(max_batch=3), fill)
    assert Bundle.open(folder).card.max_batch == 3
    assert [path.name for path in folder.parent.iterdir()] == ["window"]


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "photos" / "one.png"
    precious.parent.mkdir()
    precious.write_bytes(b"precious")
    with pytest.raises(StorageError, match="not a bundle"):
        write_bundle(precious.parent, card(), fill)
    assert precious.read_bytes() == b"precious"


@pytest.mark.parametrize("name", [WEIGHTS, GRAPH])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=name) as caught:
        Bundle.open(folder)
    assert "lacks" in one_sentence(caught)


@pytest.mark.parametrize("name", [WEIGHTS, GRAPH])
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(ConfigError, match="SHA-256 differs") as caught:
        Bundle.open(folder)
    assert name in one_sentence(caught)


@pytest.mark.parametrize("name", [WEIGHTS, GRAPH])
def test_a_file_that_the_card_does_not_list_is_not_used(folder: Path, name: str) -> None:
    files = dict(read_card(folder).files)
    del files[name]
    change_card(folder, files=files)
    with pytest.raises(ConfigError, match=f"does not list {name}") as caught:
        Bundle.open(folder)
    one_sentence(caught)


@pytest.mark.parametrize(
    "name", ["weights.pt", "weights.pkl", "model.pth", "run.py", "../secret.json", "library.so", "a/b.onnx"]
)
def test_kinds_of_files_that_could_run_or_lie_elsewhere_are_refused(folder: Path, name: str) -> None:
    (folder / Path(name).name).write_bytes(b"x")
    change_card(folder, files={**read_card(folder).files, name: sha256(folder / Path(name).name)})
    with pytest.raises(ConfigError, match="bundles do not hold") as caught:
        Bundle.open(folder)
    assert name in one_sentence(caught)


class _Harm:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._target,))


def test_a_pickle_in_place_of_weights_is_refused_and_not_run(folder: Path, tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    (folder / WEIGHTS).write_bytes(pickle.dumps(_Harm(harm)))
    assert not harm.exists()
    change_card(folder, files={**read_card(folder).files, WEIGHTS: sha256(folder / WEIGHTS)})
    bundle = Bundle.open(folder)
    with pytest.raises(ConfigError, match="not a safetensors file") as caught:
        bundle.weights()
    assert WEIGHTS in one_sentence(caught)
    assert not harm.exists()
    pickle.loads((folder / WEIGHTS).read_bytes())  # the pickle would have worked
    assert harm.exists()


BAD_CARDS: Mapping[str, bytes] = {
    "empty": b"",
    "not JSON": b"{",
    "not UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "no fields": b"{}",
    "zeros": bytes(64),
}


@pytest.mark.parametrize("content", BAD_CARDS.values(), ids=BAD_CARDS)
def test_a_bad_card_is_one_sentence_that_names_it(folder: Path, content: bytes) -> None:
    (folder / CARD).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Bundle.open(folder)
    assert CARD in one_sentence(caught)


BAD_FIELDS: Mapping[str, Mapping[str, object]] = {
    "unknown task": {"task": "telepathy"},
    "unknown key": {"colour": "red"},
    "future format": {"format": 2},
    "no name": {"name": ""},
    "huge input": {"input": {"width": 100_000, "height": 16}},
    "no size": {"input": {"width": 0, "height": 16}},
    "no batch": {"max_batch": 0},
}


@pytest.mark.parametrize("changes", BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_wrong_field_is_named(folder: Path, changes: Mapping[str, object]) -> None:
    change_card(folder, **changes)
    with pytest.raises(ConfigError) as caught:
        Bundle.open(folder)
    assert next(iter(changes)) in one_sentence(caught)


def test_a_folder_that_is_no_bundle_says_what_to_give(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match="There is no bundle") as caught:
            Bundle.open(path)
        assert "inspector train" in one_sentence(caught)


def test_a_bundle_can_be_copied(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert Bundle.open(copy).card == read_card(folder)


def test_a_card_of_a_newer_version_says_so(folder: Path) -> None:
    change_card(folder, format=2)
    with pytest.raises(ConfigError, match=r"newer version of this program \(format 2; this one reads 1\)\. Install") as caught:
        Bundle.open(folder)
    one_sentence(caught)


def add(bundle: Bundle, precision: Precision, content: bytes = b"a smaller graph", **changes: Any) -> Bundle:
    """The bundle with a variant that has one file."""
    bundle.variants_folder.mkdir(parents=True, exist_ok=True)
    file = bundle.variants_folder / f"onnxruntime-{precision}-{len(content)}.onnx"
    file.write_bytes(content)
    made = {"created": datetime(2026, 1, 2, tzinfo=UTC), **changes}
    return bundle.add_variant(Variant(engine="onnxruntime", precision=precision, files={file.name: sha256(file)}, **made))


def test_variants_of_a_bundle_of_ones_own_lie_in_it_and_go_with_a_copy(folder: Path, tmp_path: Path) -> None:
    bundle = add(add(Bundle.open(folder), "int8"), "fp16", b"another")
    assert bundle.variants_folder == folder
    assert Bundle.open(folder) == bundle
    copy = bundle.copy_to(tmp_path / "copy")
    assert copy.card == bundle.card
    for precision in ("int8", "fp16"):
        assert copy.variant_file("onnxruntime", precision, ".onnx").parent == copy.folder
    left = copy.remove_variant("onnxruntime", "int8")
    assert Bundle.open(copy.folder) == left
    assert [one.precision for one in left.card.variants] == ["fp16"]
    assert sorted(file.name for file in copy.folder.glob("onnxruntime-*")) == ["onnxruntime-fp16-7.onnx"]
    with pytest.raises(BundleError, match="has no int8 graph"):
        left.variant_file("onnxruntime", "int8", ".onnx")
    assert bundle.variant_file("onnxruntime", "int8", ".onnx").is_file()  # the original keeps its own


def test_a_damaged_variant_goes_with_a_copy_as_it_is(folder: Path, tmp_path: Path) -> None:
    bundle = add(Bundle.open(folder), "int8")
    bundle.variant_file("onnxruntime", "int8", ".onnx").unlink()
    copy = Bundle.open(bundle.copy_to(tmp_path / "copy").folder)
    with pytest.raises(BundleError, match="is missing"):
        copy.variant_file("onnxruntime", "int8", ".onnx")


def test_only_newer_variants_are_taken_from_another_copy(folder: Path, tmp_path: Path) -> None:
    first = add(Bundle.open(folder), "int8")
    other = first.copy_to(tmp_path / "other")
    first = add(first, "fp16", b"new")
    first = add(first, "int8", b"newer graph", created=datetime(2026, 2, 1, tzinfo=UTC))
    other = add(other, "bf16", b"of the other")
    taken = other.take_variants(first)
    assert {one.precision for one in taken.card.variants} == {"int8", "fp16", "bf16"}
    assert taken.variant_file("onnxruntime", "int8", ".onnx").read_bytes() == b"newer graph"
    assert Bundle.open(other.folder) == taken
    assert first.take_variants(Bundle.open(write_bundle(tmp_path / "bare", card(), fill).folder)) == first


@pytest.fixture
def shipped(demo_bundles: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle that belongs to the program, for a user who has none of their own."""
    for variable in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    return demo_bundles["window-state"]


def test_variants_of_a_shipped_bundle_lie_in_the_users_folder(shipped: Path, tmp_path: Path) -> None:
    before = {file.name: sha256(file) for file in shipped.iterdir()}
    bundle = add(add(Bundle.open(shipped), "int8"), "fp16", b"another")
    assert bundle.variants_folder.is_relative_to(user_data())
    assert shipped.is_relative_to(models())
    assert {file.name: sha256(file) for file in shipped.iterdir()} == before
    again = Bundle.open(shipped)
    assert again == bundle
    assert again.fingerprint == bundle.fingerprint
    assert again.variant_file("onnxruntime", "int8", ".onnx").read_bytes() == b"a smaller graph"
    copy = again.copy_to(tmp_path / "copy")
    assert copy.variants_folder == copy.folder
    assert copy.variant_file("onnxruntime", "fp16", ".onnx").read_bytes() == b"another"
    assert [one.precision for one in again.remove_variant("onnxruntime", "int8").card.variants] == ["fp16"]
    assert [file.name for file in bundle.variants_folder.glob("*.onnx")] == ["onnxruntime-fp16-7.onnx"]
    (bundle.variants_folder / "variants.json").write_text("{")  # damaged: as good as none
    assert not Bundle.open(shipped).card.variants


def test_so_do_those_of_a_bundle_that_may_not_be_written_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {file.name: sha256(file) for file in folder.iterdir()}
    # The system's own answer: it is another one for whoever runs the tests as root.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder)
    bundle = add(Bundle.open(folder), "int8")
    assert bundle.variants_folder.is_relative_to(user_data())
    assert {file.name: sha256(file) for file in folder.iterdir()} == before
    assert Bundle.open(folder).variant_file("onnxruntime", "int8", ".onnx").read_bytes() == b"a smaller graph"
    shutil.rmtree(bundle.variants_folder)


@pytest.mark.parametrize("name", ["../card.json", "/etc/hosts", "a\\b", "C:x", ".hidden", ""])
def test_a_variant_names_files_of_its_folder_only(folder: Path, name: str) -> None:
    variant = {"engine": "openvino", "precision": "int8", "files": {name: "0" * 64}, "created": "2026-01-01T00:00:00Z"}
    change_card(folder, variants=[variant])
    with pytest.raises(ConfigError, match=r"not a valid bundle card: .* is not the name of a file") as caught:
        Bundle.open(folder)
    one_sentence(caught)


LATER: Mapping[str, Mapping[str, object]] = {
    "unknown precision": {"engine": "openvino", "precision": "int4", "sparse": True},
    "unknown engine": {"engine": "accelerator", "precision": "fp32", "made": {"on": "2030"}},
    "unknown field": {"engine": "openvino", "precision": "int8", "created": "2030-01-01T00:00:00Z", "sparsity": 0.5},
}


def test_a_variant_that_claims_files_of_the_bundle_takes_none_along(folder: Path) -> None:
    claimed = {"card.json": "0" * 64, "model.onnx": "0" * 64}
    bundle = add(Bundle.open(folder), "fp16")
    claiming = next(iter(bundle.card.variants)).model_copy(update={"files": claimed})
    change_card(folder, variants=[claiming.model_dump(mode="json")])
    Bundle.open(folder).remove_variant(*claiming.kind)
    assert Bundle.open(folder).card.variants == ()


def add_later(folder: Path, listed: Mapping[str, object], list_file: str = CARD) -> Mapping[str, object]:
    """Write a variant of a newer version, with a file, into the card or list; what was written is returned."""
    place = folder / list_file
    file = folder / "openvino-int8-0123abcd.xml"  # a name that this version would give and delete
    file.write_text("of a newer version")
    entry = {**listed, "files": {file.name: sha256(file)}}
    data = json.loads(place.read_text("utf-8")) if place.is_file() else {"format": 1, "variants": []}
    place.write_text(json.dumps({**data, "variants": [*data["variants"], entry]}), "utf-8")
    return entry


def written(folder: Path, list_file: str = CARD) -> list[Any]:
    variants: list[Any] = json.loads((folder / list_file).read_text("utf-8"))["variants"]
    return variants


@pytest.mark.parametrize("listed", LATER.values(), ids=LATER)
def test_a_variant_of_a_newer_version_is_kept_as_it_is_and_only_it_is_unusable(
    folder: Path, listed: Mapping[str, object], tmp_path: Path
) -> None:
    entry = add_later(folder, listed)
    engine, precision = str(listed["engine"]), str(listed["precision"])
    bundle = Bundle.open(folder)
    assert bundle.variant(engine, precision) is None
    later = bundle.later_variant(engine, precision)
    assert later is not None
    assert later.files == entry["files"]
    # Others are written and removed beside it, ...
    bundle = add(bundle, "fp16").remove_variant("onnxruntime", "fp16")
    assert written(folder) == [entry]
    # ... it goes with a copy, and to a bundle that has not got it, and a graph that is made again leaves it.
    copy = bundle.copy_to(tmp_path / "copy")
    bare = write_bundle(tmp_path / "bare", card(), fill)
    assert bare.take_variants(bundle).later_variant(engine, precision) == later
    write_bundle(folder, card(), fill, keep_variants=True)
    for place in (folder, copy.folder, bare.folder):
        assert written(place) == [entry]
        assert (place / "openvino-int8-0123abcd.xml").read_text() == "of a newer version"
        assert Bundle.open(place).later_variant(engine, precision) == later


def test_so_it_is_in_the_users_list_and_a_list_of_a_newer_version_is_not_replaced(shipped: Path) -> None:
    place = add(Bundle.open(shipped), "fp16").variants_folder
    entry = add_later(place, LATER["unknown precision"], "variants.json")
    bundle = Bundle.open(shipped).remove_variant("onnxruntime", "fp16")
    assert bundle.later_variant("openvino", "int4") is not None
    assert written(place, "variants.json") == [entry]
    newer = {"format": 2, "variants": "in another way"}
    (place / "variants.json").write_text(json.dumps(newer))
    bundle = Bundle.open(shipped)
    assert bundle.card.variants == ()
    with pytest.raises(StorageError, match=r"written by a newer version .* is kept\. Install") as caught:
        add(bundle, "int8")
    one_sentence(caught)
    assert json.loads((place / "variants.json").read_text()) == newer


@pytest.mark.parametrize(
    "entry", [{}, {"engine": []}, {"engine": "openvino"}, {"engine": "new", "precision": "int4", "files": {"../a": ""}}]
)
def test_an_entry_that_is_no_variant_of_any_version_is_told(folder: Path, entry: Mapping[str, object]) -> None:
    change_card(folder, variants=[entry])
    with pytest.raises(ConfigError, match="not a valid bundle card: variants") as caught:
        Bundle.open(folder)
    one_sentence(caught)


def graph_with_weights(folder: Path, *, kind: str, location: str) -> None:
    """A graph whose tensor of this kind lies in a file of its own."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    tensor = numpy_helper.from_array(np.arange(3072, dtype=np.float32), "weight")
    (folder / location).write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    floats = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [3072])
    inner = helper.make_graph([helper.make_node("Constant", [], ["out"], value=tensor)], "inner", [], [floats])
    if kind == "initializer":
        graph = helper.make_graph([helper.make_node("Identity", ["weight"], ["out"])], "g", [], [floats], [tensor])
    elif kind == "constant":
        graph = inner
    else:
        yes = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
        branch = helper.make_node("If", ["yes"], ["out"], then_branch=inner, else_branch=inner)
        graph = helper.make_graph([yes, branch], "g", [], [floats])
    (folder / GRAPH).write_bytes(helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("kind", ["initializer", "constant", "branch"])
def test_weights_beside_the_graph_are_refused_unless_the_card_vouches_for_them(kind: str, tmp_path: Path) -> None:
    folder = write_bundle(
        tmp_path / "window", card(), lambda made: (fill(made), graph_with_weights(made, kind=kind, location="more.bin"))[0]
    ).folder
    Bundle.open(folder)  # more.bin was written with the bundle, so its hash is in the card
    hashed = json.loads((folder / CARD).read_text("utf-8"))["files"]
    change_card(folder, files={name: digest for name, digest in hashed.items() if name != "more.bin"})
    with pytest.raises(BundleError, match=r"reads weights from more\.bin") as error:
        Bundle.open(folder)
    one_sentence(error)
    graph_with_weights(folder, kind=kind, location="more.bin")
    change_card(folder, files={**hashed, "more.bin": sha256(folder / GRAPH)})
    with pytest.raises(ConfigError, match="SHA-256"):
        Bundle.open(folder)


@pytest.mark.parametrize("name", sorted(path.name for path in find_bundles(models())))
def test_a_graph_with_its_own_weights_reads_no_other_file(name: str) -> None:
    graph = models() / name / GRAPH
    assert external_files(graph) == frozenset()


def test_what_is_no_graph_reads_no_other_file(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    for data in (b"", b"a graph", b"\xff" * 1000, bytes(range(256)) * 10, b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"):
        file.write_bytes(data)
        assert external_files(file) == frozenset()
