"""What people and machines get wrong: one clear sentence that names the thing, the rest goes on, nothing is lost."""

import hashlib
import json
import pickle
import shutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from struct import pack
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

from inspector.bundles.bundle import CARD, GRAPH, WEIGHTS, read_card
from inspector.core.storage.paths import models
from inspector.recipes.locate import find_bundles
from tests.disks import disk_of
from tests.e2e.helpers import MjpegCamera, Running, assert_one_sentence, inspector, picture

READABLE = ("deep.png", "cmyk.jpg", "palette.png", "animated.gif", "alpha.png", "wide.png", "good.png", "last.png")
UNREADABLE = ("truncated.jpg", "zero.png", "header.png", "huge.png", "words.png", "noise.jpg", "folder.png.txt.png")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shipped = [folder for folder in find_bundles(models()) if read_card(folder).task == "classification"]
    return Path(shutil.copytree(shipped[0], tmp_path_factory.mktemp("bundles") / "states"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file of each kind that goes wrong elsewhere."""
    folder = tmp_path_factory.mktemp("pictures")
    good = picture()
    image = PIL.Image.fromarray(good)
    for name in ("good.png", "last.png"):
        image.save(folder / name)
    cv2.imwrite(str(folder / "deep.png"), good.astype(np.uint16) * 257)
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.quantize(32).save(folder / "palette.png")
    image.save(folder / "animated.gif", save_all=True, append_images=[PIL.Image.fromarray(picture(seed=1))])
    alpha = np.full(good.shape[:2], 255, np.uint8)
    alpha[:8, :8] = 0
    PIL.Image.fromarray(np.dstack([good, alpha])).save(folder / "alpha.png")
    PIL.Image.fromarray(picture(20_000, 64)).save(folder / "wide.png")

    image.save(folder / "truncated.jpg", quality=95)
    whole = (folder / "truncated.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 3])
    (folder / "zero.png").write_bytes(b"")
    (folder / "header.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "huge.png").write_bytes(_empty_png(20_000, 20_000))
    (folder / "words.png").write_text("this is no picture")
    (folder / "noise.jpg").write_bytes(np.random.default_rng(0).bytes(4096))
    (folder / "folder.png.txt.png").write_bytes(b"GIF89a")
    assert {path.name for path in folder.iterdir()} == {*READABLE, *UNREADABLE}
    return folder


def _empty_png(width: int, height: int) -> bytes:
    """A complete PNG of one bit a pixel that is small on disk and huge in memory (PNG specification, 5 and 11)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((1 + width // 8) * height))
    header = pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _check_batch(parts: list[dict[str, Any]], summary: Mapping[str, Any]) -> None:
    """Every file has its one verdict, and each picture of an animation; bad ones are named; good ones were really inspected."""
    by_name = {Path(part["source"]).name: part for part in parts}
    assert len(by_name) == len(READABLE) + len(UNREADABLE)
    assert [part["part"] for part in parts if "animated" in part["source"]] == ["animated", "animated#2"]
    assert len(parts) == len(by_name) + 1
    for name in READABLE:
        assert by_name[name]["verdict"] in ("OK", "NG", "REVIEW"), by_name[name]
        assert by_name[name]["predictions"], name
    for name in UNREADABLE:
        assert by_name[name]["verdict"] == "NOT_INSPECTED", by_name[name]
        reasons = " ".join(by_name[name]["reasons"])
        assert name in reasons
        assert "Traceback" not in reasons
    assert summary["parts"] == len(parts)
    assert summary["not_inspected"] == len(UNREADABLE)
    assert summary["dropped"] == 0


def test_predict_names_every_bad_file_and_judges_all_others(bundle: Path, pictures: Path) -> None:
    files = sorted(pictures.iterdir())
    ended = inspector("predict", *files, "--model", bundle, "--json")
    assert ended.code == 2, ended.said()
    assert "Traceback" not in ended.stderr, ended.said()
    _check_batch(ended.parts, ended.summary)


def test_predict_without_json_says_the_same_in_words(bundle: Path, pictures: Path) -> None:
    ended = inspector("predict", pictures / "good.png", pictures / "zero.png", pictures / "last.png", "--model", bundle)
    said = ended.stdout + ended.stderr
    assert ended.code == 2, ended.said()
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if "zero.png" in line and "is empty" in line], ended.said()
    assert "last.png" in said, ended.said()


def test_predict_says_which_file_is_not_there(bundle: Path, pictures: Path) -> None:
    ended = inspector("predict", pictures / "nowhere.png", pictures / "good.png", "--model", bundle, "--json")
    assert_one_sentence(ended, 2, pictures / "nowhere.png")
    assert [part["verdict"] == "NOT_INSPECTED" for part in ended.parts] == [True, False]


def test_run_on_a_folder_of_bad_files_judges_all_others(bundle: Path, pictures: Path) -> None:
    ended = inspector("run", "--source", f"folder:{pictures}", "--model", bundle, "--json")
    assert ended.code == 0, ended.said()  # a part that cannot be inspected is a verdict, and the line went on
    assert "Traceback" not in ended.stderr, ended.said()
    _check_batch(ended.parts, ended.summary)


def test_an_empty_folder_is_named(bundle: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    ended = inspector("predict", empty, "--model", bundle)
    assert ended.code == 2, ended.said()
    assert "Traceback" not in ended.stderr
    assert str(empty) in ended.stderr, ended.said()


def _edit_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / CARD).read_text("utf-8"))
    (folder / CARD).write_text(json.dumps({**card, **changes}), "utf-8")


def _rehash(folder: Path) -> None:
    """Make the card agree with the files, as somebody who means harm would."""
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name != CARD}
    _edit_card(folder, files=files)


class _Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return (open, (str(self.victim), "w"))


def _lose_the_graph(folder: Path) -> str:
    (folder / GRAPH).unlink()
    return GRAPH


def _flip_a_byte(folder: Path) -> str:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    return WEIGHTS


def _claim_another_task(folder: Path) -> str:
    _edit_card(folder, task="detection")
    return folder.name


def _spoil_the_card(folder: Path) -> str:
    (folder / CARD).write_text('{"format": 1,', "utf-8")
    return CARD


def _spoil_the_graph(folder: Path) -> str:
    (folder / GRAPH).write_bytes(b"not a graph")
    _rehash(folder)
    return folder.name


@pytest.mark.parametrize(
    ("spoil", "engine", "code"),
    [
        pytest.param(_lose_the_graph, "openvino", 2, id="missing file"),
        pytest.param(_flip_a_byte, "openvino", 2, id="wrong hash"),
        pytest.param(_spoil_the_card, "openvino", 2, id="broken card"),
        pytest.param(_claim_another_task, "openvino", 2, id="wrong task"),
        pytest.param(_spoil_the_graph, "openvino", 2, id="not a graph"),
        pytest.param(_spoil_the_graph, "onnxruntime", 2, id="not a graph, ONNX Runtime"),
    ],
)
def test_a_bad_bundle_is_named_before_anything_is_inspected(
    bundle: Path, pictures: Path, tmp_path: Path, spoil: Callable[[Path], str], engine: str, code: int
) -> None:
    folder = tmp_path / "spoilt"
    shutil.copytree(bundle, folder)
    named = spoil(folder)
    ended = inspector("predict", pictures / "good.png", "--model", folder, "--engine", engine, "--json")
    assert_one_sentence(ended, code, named)
    assert ended.stdout == ""


@pytest.mark.parametrize("name", [WEIGHTS, "weights.pkl"])
def test_a_pickle_for_weights_is_refused_and_runs_nothing(bundle: Path, pictures: Path, tmp_path: Path, name: str) -> None:
    pytest.importorskip("torch")
    folder, victim = tmp_path / "pickled", tmp_path / "harm-done"
    shutil.copytree(bundle, folder)
    pickle.loads(pickle.dumps(_Harm(tmp_path / "armed"))).close()
    assert (tmp_path / "armed").exists()  # the pickle does harm where it is loaded
    (folder / name).write_bytes(pickle.dumps(_Harm(victim)))
    _rehash(folder)
    ended = inspector("predict", pictures / "good.png", "--model", folder, "--engine", "torch", "--json")
    assert_one_sentence(ended, 2, name)
    assert not victim.exists()


def test_a_bundle_that_is_not_there_is_named(pictures: Path, tmp_path: Path) -> None:
    ended = inspector("predict", pictures / "good.png", "--model", tmp_path / "no-bundle")
    assert_one_sentence(ended, 2, tmp_path / "no-bundle")


def _recipe(folder: Path, bundle: Path, *, more: str = "", step: str = "") -> Path:
    path = folder / "line.toml"
    path.write_text(
        f'name = "line"\n{more}\n[cameras.top]\nsource = "simulated:visible"\n'
        f'[[inspect]]\nbundle = "{bundle.as_posix()}"\ncamera = "top"\n{step}\n',
        "utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("command", "more", "step", "named"),
    [
        pytest.param("run", "colour = 3", "", "colour", id="unknown key"),
        pytest.param("run", "", "treshold = 0.5", "treshold", id="misspelt key of a step"),
        pytest.param("predict", "", "treshold = 0.5", "treshold", id="the same in predict"),
        pytest.param("run", "", "region = { x = -4, y = 0, width = 10, height = 10 }", "region", id="left of the frame"),
        pytest.param("run", "", "region = { x = 0, y = 0, width = 0, height = 10 }", "region", id="without width"),
        pytest.param("run", "[", "", "line.toml", id="not TOML"),
    ],
)
def test_a_wrong_recipe_is_named_with_its_key(
    bundle: Path, pictures: Path, tmp_path: Path, command: str, more: str, step: str, named: str
) -> None:
    recipe = _recipe(tmp_path, bundle, more=more, step=step)
    arguments = ["--limit", "2"] if command == "run" else [pictures / "good.png"]
    ended = inspector(command, *arguments, "--recipe", recipe, "--json")
    assert_one_sentence(ended, 2, recipe, named)
    assert ended.stdout == ""


def test_a_recipe_whose_bundle_is_missing_names_it(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, Path("no-such-bundle"))
    assert_one_sentence(inspector("run", "--recipe", recipe, "--limit", "2"), 2, "no-such-bundle")


def test_a_region_outside_the_frame_inspects_nothing_and_says_so(bundle: Path, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, bundle, step="region = { x = 700, y = 0, width = 400, height = 100 }")
    ended = inspector("run", "--recipe", recipe, "--limit", "3", "--json")
    assert "Traceback" not in ended.stderr, ended.said()
    assert [part["verdict"] for part in ended.parts] == ["NOT_INSPECTED"] * 3, ended.said()
    reason = " ".join(ended.parts[0]["reasons"])
    assert "700" in reason or "400" in reason or "1100" in reason, reason
    assert ended.summary["not_inspected"] == 3


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("folder:/no/such/folder", "/no/such/folder"),
        ("video:/no/such.mp4", "/no/such.mp4"),
        ("carrier-pigeon", "carrier-pigeon"),
    ],
)
def test_a_source_that_can_never_work_ends_with_a_sentence(bundle: Path, source: str, named: str) -> None:
    ended = inspector("run", "--source", source, "--model", bundle, "--limit", "1", timeout=60)
    assert ended.code in (1, 2), ended.said()
    assert "Traceback" not in ended.stderr
    assert named in ended.stderr, ended.said()


def test_a_camera_that_is_not_there_is_told_and_awaited(bundle: Path) -> None:
    """A camera may be switched on later, so the station goes on asking; a person reads what is wrong at once."""
    with Running("run", "--source", "usb:63", "--model", bundle, "--limit", "1", "--json") as run:
        run.wait_until(lambda it: any("63" in line for line in it.stderr))
        run.process.terminate()
        ended = run.ended()
    assert "Traceback" not in ended.stderr, ended.said()
    assert "63" in ended.stderr


def test_a_camera_may_change_size_and_be_unplugged(bundle: Path) -> None:
    with MjpegCamera() as camera, Running("run", "--source", camera.url, "--model", bundle, "--limit", "60", "--json") as run:
        run.wait_until(lambda it: len(it.parts()) >= 10)
        camera.size = (160, 120)
        seen = len(run.parts())
        run.wait_until(lambda it: len(it.parts()) >= seen + 10)
        camera.pull_out()
        run.wait_until(lambda it: any("127.0.0.1" in line for line in it.stderr))
        assert run.process.poll() is None
        camera.plug_in()
        ended = run.ended(timeout=60)
    assert ended.code == 0, ended.said()
    assert "Traceback" not in ended.stderr, ended.said()
    assert ended.summary["parts"] == 60
    sequences = [part["sequence"] for part in ended.parts]
    assert sequences == sorted(set(sequences))


def test_a_full_disk_is_told_and_no_verdict_is_lost(bundle: Path, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, bundle)
    with disk_of(tmp_path / "small", "200k") as disk:
        ended = inspector("run", "--recipe", recipe, "--limit", "30", "--out", disk / "report", "--json")
        assert ended.code == 1, ended.said()
        assert "Traceback" not in ended.stderr, ended.said()
        assert str(disk) in ended.stderr, ended.said()
        assert len(ended.parts) == 30
        assert ended.summary["parts"] == 30


def test_training_data_does_not_fit_on_a_full_disk(tmp_path: Path) -> None:
    with disk_of(tmp_path / "small", "200k") as disk:
        ended = inspector("data", "demo", "--out", disk / "set", "--parts", "20")
        assert ended.code == 1, ended.said()
        assert "Traceback" not in ended.stderr, ended.said()
        assert str(disk) in ended.stderr, ended.said()
