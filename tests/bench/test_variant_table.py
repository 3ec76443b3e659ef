"""The variants of a bundle side by side: the same figures as one by one, and what cannot be used is named."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from inspector.bundles.bundle import Bundle
from inspector.cameras.demo.data import write_demo_data
from inspector.cli.main import cli
from inspector.core.errors import BundleError

pytest.importorskip("torch")

from inspector.ml.export.variants import Order
from tests.reports import Quiet, export_variant


def evaluated(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["evaluate", *arguments, "--json"], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def test_the_table_says_what_each_variant_says_by_itself(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    bundle = Bundle.open(shutil.copytree(demo_bundles["window-state"], tmp_path / "window-state"))
    for precision in ("fp16", "fp32"):
        bundle, _ = export_variant(bundle, Order("openvino", precision), Quiet())
    write_demo_data(tmp_path / "unseen", parts=10, seed=5, good=0.3)
    common = ("--model", str(bundle.folder), "--data", str(tmp_path / "unseen" / "window"))
    told = evaluated(*common, "--variants")["variants"]
    rows = {(row["engine"], row["precision"]): row for row in told}
    assert next(iter(rows)) == ("openvino", "fp32")
    assert set(rows) >= {("openvino", "fp32"), ("openvino", "fp16"), ("onnxruntime", "fp32"), ("torch", "fp32")}
    for kind in (("openvino", "fp16"), ("onnxruntime", "fp32")):
        alone = evaluated(*common, "--engine", kind[0], "--precision", kind[1])
        row = rows[kind]
        assert row["value"] == pytest.approx(alone["metrics"][row["metric"]], abs=1e-5)
        assert row["images"] == alone["images"] == 10
        assert row["flips"] == 0
        assert row["mean_difference"] < 0.01
        assert row["ms"] > 0
    assert rows[("openvino", "fp16")]["megabytes"] < rows[("openvino", "fp32")]["megabytes"]
    next(bundle.folder.glob("openvino-fp16-*.bin")).write_bytes(b"changed")
    told = evaluated(*common, "--variants", "--engine", "openvino")["variants"]
    assert {row["engine"] for row in told} == {"openvino"}
    (damaged,) = [row for row in told if row["problem"]]
    assert damaged["precision"] == "fp16"
    assert "SHA-256 differs" in damaged["problem"]


def test_a_variant_of_a_newer_version_is_named_and_the_others_are_measured(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(demo_bundles["window-state"], tmp_path / "window-state")
    card = json.loads((folder / "card.json").read_text("utf-8"))
    entries = [
        {"engine": "openvino", "precision": "int4", "files": {}},
        {"engine": "openvino", "precision": "int8", "created": "2030-01-01T00:00:00Z", "sparsity": 0.5},
        {"engine": "accelerator", "precision": "fp32"},
    ]
    (folder / "card.json").write_text(json.dumps({**card, "variants": entries}), "utf-8")
    export_variant(Bundle.open(folder), Order("openvino", "fp16"), Quiet())
    write_demo_data(tmp_path / "unseen", parts=4, seed=5, good=0.3)
    told = evaluated("--model", str(folder), "--data", str(tmp_path / "unseen" / "window"), "--variants")["variants"]
    problems = {(row["engine"], row["precision"]): row["problem"] for row in told}
    for entry in entries:
        problem = problems[(entry["engine"], entry["precision"])]
        name = f"The {entry['precision']} variant of window-state for {entry['engine']}"
        assert problem == f"{name} was made by a newer version of this program."
    assert all(problems[("openvino", precision)] == "" for precision in ("fp32", "fp16"))
    only = ["--model", str(folder), "--data", str(tmp_path / "unseen" / "window"), "--variants", "--engine", "openvino"]
    told_lines = CliRunner().invoke(cli, ["evaluate", *only], standalone_mode=False).stdout.splitlines()
    assert [line for line in told_lines if line.startswith("openvino")] == [
        f"openvino {precision}: {problems[('openvino', precision)]}" for precision in ("int8", "int4")
    ]
    kept = json.loads((folder / "card.json").read_text("utf-8"))["variants"]
    assert [(one["engine"], one["precision"]) for one in kept[:3]] == [(one["engine"], one["precision"]) for one in entries]
    with pytest.raises(BundleError, match="made by a newer version of this program"):
        evaluated("--model", str(folder), "--data", str(tmp_path / "unseen" / "window"), "--precision", "int8")
