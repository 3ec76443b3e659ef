#!/usr/bin/env python3
"""Collects every text a person can see into resources/translations/*.ts and compiles them to *.qm.

    python packaging/translate.py            update the .ts files and compile them
    python packaging/translate.py --check    fail if that would change a .ts file, or if a text is not translated

Texts of widgets are found by Qt's own pyside6-lupdate (`self.tr`, `QCoreApplication.translate`). Sentences of the core
(`message(...)`, `Message(...)`, `skip(...)`, errors with their remedies), texts of tables (`later(...)`), sentences of the
rules, labels of the registry, the settings that forms are made of and the classes of the demo line are found here and handed to
lupdate as one generated file.
"""

import argparse
import ast
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "resources" / "translations"
LANGUAGES = ("ja",)
# Sentences of these never reach the window: commands print them.
_PRINTED = (
    "inspector/cli/",
    "inspector/bench/",
    "inspector/cameras/demo/data.py",
)
_SETTINGS = ("inspector/runs/settings.py", "inspector/recipes/recipe.py")
_ERRORS = (
    *("InspectorError", "BundleError", "ConfigError", "CameraError", "EngineError", "JobError", "StorageError"),
    "UnlabelledError",
)


def texts() -> list[tuple[str, str]]:
    """(context, text) of everything lupdate does not find by itself, sorted."""
    found: set[tuple[str, str]] = set()
    for path in sorted((ROOT / "inspector").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(_PRINTED):
            found.update(_of_file(ast.parse(path.read_text(encoding="utf-8"))))
    found.update(_labels())
    return sorted(found)


def _of_file(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name == "later" and len(node.args) == 2:
            context, text = (ast.literal_eval(argument) for argument in node.args)
            yield context, text
        elif name in ("message", "Message", "skip", "_skip") or name in _ERRORS:
            parts = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg in ("remedy", "problem"))]
            for part in parts:
                for text in _strings(part, tree):
                    yield "messages", text


def _strings(node: ast.expr, tree: ast.Module) -> Iterator[str]:
    """The literal texts an expression can be: itself, either branch of a condition, or what its name is given."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and node.value:
            yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _strings(node.body, tree)
        yield from _strings(node.orelse, tree)
    elif isinstance(node, ast.Name):
        for assignment in ast.walk(tree):
            if isinstance(assignment, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == node.id for target in assignment.targets
            ):
                value = assignment.value
                if isinstance(value, ast.Constant | ast.IfExp):
                    yield from _strings(value, tree)
                elif isinstance(value, ast.Dict | ast.Subscript):
                    yield from _table(value, tree)
    elif isinstance(node, ast.Subscript):
        yield from _table(node, tree)


def _table(node: ast.expr, tree: ast.Module) -> Iterator[str]:
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        yield from _strings(node.value, tree)
    elif isinstance(node, ast.Dict):
        for value in node.values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value


def _labels() -> Iterator[tuple[str, str]]:
    sys.path.insert(0, str(ROOT))
    from inspector.cameras.demo.line import PLATE_CLASSES, WINDOW_CLASSES
    from inspector.core.registry import CAMERAS, NETWORKS, TABS, TASKS
    from inspector.recipes.quantities import QUANTITIES
    from inspector.runs.measures import MEASURES
    from inspector.workers.outcome import REMEDIES

    yield from (("tasks", text) for entry in TASKS.values() for text in (entry.label, entry.about))
    yield from (("tabs", entry.label) for entry in TABS.values())
    yield from (("networks", entry.label) for entry in NETWORKS.values())
    yield from (("messages", text) for rule in QUANTITIES.values() for text in (rule.above, rule.below, rule.asks))
    yield from (("messages", text) for text in REMEDIES.values())
    yield from (("measures", text) for measure in MEASURES.values() for text in (measure.label, measure.help))
    yield from (("settings", text) for text in _settings())
    yield from (("messages", text) for text in _refusals())
    yield from (("cameras", entry.label) for entry in CAMERAS.values())
    yield from (("classes", name) for name in (*PLATE_CLASSES, *WINDOW_CLASSES))


def _settings() -> Iterator[str]:
    """Labels, units, descriptions and choices of every setting that a form shows."""
    from inspector.cameras.base import options_model
    from inspector.core.config import bare_type, form_fields
    from inspector.core.registry import CAMERAS
    from inspector.recipes.recipe import CameraModel, Gate, InspectModel, Recipe, RegionModel, Rule
    from inspector.runs.settings import TrainSettings, shown_settings

    recipes = (Recipe, CameraModel, Gate, InspectModel, RegionModel, Rule)
    fields = {model: form_fields(model) for model in (*recipes, *(options_model(kind) for kind in CAMERAS))}
    for model, shown_by_name in {TrainSettings: shown_settings(), **fields}.items():
        for name, shown in shown_by_name.items():
            field = model.model_fields[name]
            yield from (text for text in (shown.label, shown.unit, field.description) if text)
            if get_origin(kind := bare_type(field.annotation)) is Literal:
                yield from (text for text in get_args(kind) if isinstance(text, str) and text)
            yield from (shown.choices() if shown.choices is not None else {}).values()


def _refusals() -> Iterator[str]:
    """What settings say of values that do not go together: pydantic hands these texts on."""
    for node in (node for path in _SETTINGS for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ValueError":
            yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant))


def update(target: Path, language: str) -> None:
    """Bring one .ts file up to date with the source. Texts that are gone are dropped."""
    with tempfile.TemporaryDirectory() as folder:
        generated = Path(folder) / "collected.py"
        lines = [f"QCoreApplication.translate({context!r}, {_literal(text)})" for context, text in texts()]
        generated.write_text("from PySide6.QtCore import QCoreApplication\n" + "\n".join(lines) + "\n", encoding="utf-8")
        sources = [str(path) for path in sorted((ROOT / "inspector" / "ui").rglob("*.py"))]
        options = ["-no-obsolete", "-locations", "none", "-source-language", "en", "-target-language", language, "-silent"]
        _tool("lupdate", *options, str(generated), *sources, "-ts", str(target))


def _literal(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _tool(name: str, *arguments: str) -> None:
    call = f"import sys; from PySide6.scripts.pyside_tool import {name}; sys.argv[0] = 'pyside6-{name}'; {name}()"
    done = subprocess.run([sys.executable, "-c", call, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{name} failed: {done.stderr or done.stdout}")


def entries(path: Path) -> dict[tuple[str, str], str]:
    """(context, source) -> translation of a .ts file; "" where it is unfinished."""
    found: dict[tuple[str, str], str] = {}
    for context in ET.parse(path).getroot().iter("context"):
        for item in context.iter("message"):
            translation = item.find("translation")
            done = translation is not None and translation.get("type") is None
            words = translation.text if done and translation is not None else ""
            found[(context.findtext("name") or "", item.findtext("source") or "")] = words or ""
    return found


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail on stale or missing translations")
    arguments = parser.parse_args()
    failed = False
    for language in LANGUAGES:
        path = FOLDER / f"inspector_{language}.ts"
        if arguments.check:
            failed |= _check(path, language)
            continue
        update(path, language)
        compiled = path.with_suffix(".qm.new")  # not in place: a program that runs has the file open
        _tool("lrelease", str(path), "-qm", str(compiled), "-silent")
        compiled.replace(path.with_suffix(".qm"))
        missing = [key for key, words in entries(path).items() if not words]
        sys.stdout.write(f"{path.name}: {len(entries(path))} texts, {len(missing)} not translated\n")
    return int(failed)


def _check(path: Path, language: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / path.name
        fresh.write_bytes(path.read_bytes())
        update(fresh, language)
        wanted, have = entries(fresh), entries(path)
    problems = [f"not in {path.name}: {key}" for key in wanted if key not in have]
    problems += [f"no longer used: {key}" for key in have if key not in wanted]
    problems += [f"not translated: {key}" for key, words in wanted.items() if not words]
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return bool(problems)


if __name__ == "__main__":
    raise SystemExit(main())
