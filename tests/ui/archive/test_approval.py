"""An engineer compares a new bundle on the archive, approves it, and goes one step back, in the window."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from inspector.archive import approval
from inspector.archive.archive import opened_archive
from inspector.archive.contents import event_content
from inspector.archive.corrections import correct
from inspector.archive.recording.journal import archive_folder
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.store.query import events, keys_of_part
from inspector.core.storage.paths import user_data
from inspector.inspection.run_request import RunRequest
from inspector.recipes import adopt
from inspector.recipes.locate import own_recipes
from inspector.recipes.recipe import ArchiveModel, load_recipe
from inspector.ui.archive.approving import ApprovalPanel
from inspector.ui.archive.page import ArchivePage
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell import strings, theme
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Preferences, Settings
from tests.archive.test_line import _parts, _run
from tests.station.fakes import Behaviour, recipe_of, write_classifier
from tests.ui.archive.shown import calm, listed, showing
from tests.ui.fitting import clipped
from tests.ui.line_double import RECIPE, Conductor
from tests.ui.pressing import press


@pytest.fixture
def show(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., ArchivePage]]:
    yield from showing(qtbot, Settings(tmp_path / "window.toml", preferences=Preferences(language="en", theme="light")))


def compared_bundles(bundle: str, archive: Path) -> Path:
    """Record 24 parts, two of them NG, and make a bundle for which nothing is wrong; return the recipe's file."""
    shutil.rmtree(own_recipes(), ignore_errors=True)  # of the test before
    recipe = own_recipes() / "plates.toml"
    made = recipe_of(bundle, rules=[{"bundle": bundle, "quantity": "class", "limit": 0.6}])
    adopt.write_changed(adopt.RecipeFile(recipe, made), made, recipe)
    write_classifier(user_data() / "bundles" / "better", ok_classes=("good", "bad"))
    _run(bundle, archive_sinks(folder=archive), _parts({5, 17}, 24), archive=ArchiveModel(ok_every=1))
    return recipe


def choose(panel: ApprovalPanel, name: str) -> None:
    row = next(row for row in range(panel.bundle.count()) if name in panel.bundle.itemText(row))
    panel.bundle.setCurrentIndex(row)
    panel.bundle.activated.emit(row)


def test_a_comparison_is_of_the_bundle_that_is_chosen_and_of_all_parts(
    qtbot: QtBot,
    show: Callable[[Path], ArchivePage],
    behaviour: Behaviour,
    bundle: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared_bundles(bundle, tmp_path / "archive")
    write_classifier(user_data() / "bundles" / "other")
    page = show(tmp_path / "archive")
    panel = page.approving.panel
    page.hand_on.actions_by_name["compare"].trigger()
    qtbot.waitUntil(panel.isVisible, timeout=10_000)
    choose(panel, "better")
    for _ in range(2):  # the second time the list holds only the parts that flip
        press(page, qtbot, "Compare")
        qtbot.waitUntil(lambda: page.hand_on.thread_.busy)
        qtbot.waitUntil(lambda: not page.hand_on.thread_.busy, timeout=30_000)
        calm(qtbot, page)
        assert len(listed(page)) == 2
        assert "24 judged again" in panel.answer.text()
    choose(panel, "other")
    calm(qtbot, page)
    assert panel.compared is None
    assert page.total.text() == "24 parts"
    go, compare = threading.Event(), approval.compare

    def slow(*given: Any, **options: Any) -> approval.Comparison:
        assert go.wait(10)
        return compare(*given, **options)

    monkeypatch.setattr(approval, "compare", slow)
    press(page, qtbot, "Compare")
    choose(panel, "better")  # while the other one is compared
    go.set()
    press(page, qtbot, "Compare")
    qtbot.waitUntil(lambda: panel.compared is not None, timeout=30_000)
    assert panel.compared is not None
    assert panel.compared.found.candidate.bundle.folder.name == "better"
    calm(qtbot, page)
    assert page.total.text() == "2 parts"
    page.what_if_button.click()
    qtbot.waitUntil(lambda: page.what_if.isVisible() and page.total.text() == "24 parts", timeout=10_000)
    assert not panel.isVisible()


def test_a_new_bundle_is_compared_approved_and_taken_back(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], behaviour: Behaviour, bundle: str, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    recipe = compared_bundles(bundle, archive)
    with opened_archive(archive) as opened:
        correct(opened, keys_of_part(opened.database, "P5"), who="Ann", verdict="OK")
    page = show(archive)
    approving, panel = page.approving, page.approving.panel
    page.hand_on.actions_by_name["compare"].trigger()
    qtbot.waitUntil(panel.isVisible, timeout=10_000)
    assert not panel.buttons["approve"].isEnabled()
    assert [panel.recipe.itemText(row) for row in range(panel.recipe.count())] == ["test"]
    choose(panel, "better")
    press(page, qtbot, "Compare")
    qtbot.waitUntil(lambda: panel.compared is not None, timeout=30_000)
    calm(qtbot, page)
    assert listed(page) == ["P17", "P5"]
    tested, whole = panel.answer.text().split("\n")
    assert "6 judged again, 1 flip" in tested
    assert "False rejects among 1 part that is truly OK: 1 → 0" in tested
    assert "24 judged again, 2 flip" in whole
    assert panel.compared is not None
    assert panel.compared.report.is_file()
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    page.resize(1270, 768)  # in a window of 1366 x 768
    for language, colours in (("ja", "dark"), ("en", "light")):
        strings.set_language(language)
        theme.apply(app, colours)
        assert not clipped(page), (language, colours)
    press(page, qtbot, "Approve")
    qtbot.waitUntil(lambda: "archive" in page.banners.problems(), timeout=10_000)
    assert "needs the name of the person" in page.banners.problems()["archive"]
    page.correction.who.setText("Ann")
    with qtbot.waitSignal(approving.recipe_written, timeout=10_000) as written:
        press(page, qtbot, "Approve")
    assert written.args == [recipe]
    assert load_recipe(recipe).inspect[0].bundle == "better"
    assert "revision 2 now, with better" in panel.answer.text()
    assert not panel.buttons["approve"].isEnabled()
    with qtbot.waitSignal(approving.recipe_written, timeout=10_000):
        press(page, qtbot, "One step back")
    assert load_recipe(recipe).inspect[0].bundle == bundle
    press(page, qtbot, "Close the comparison")
    calm(qtbot, page)
    assert page.total.text() == "24 parts"
    with opened_archive(archive) as opened:
        said = [(one["what"], one["who"]) for one in reversed(events(opened.database))]
    assert said == [
        ("rejudgement", ""),
        ("comparison", ""),
        ("approval", "Ann"),
        ("step_back", "Ann"),
    ]


def test_a_bundle_that_may_have_learnt_from_the_parts_says_so(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], behaviour: Behaviour, bundle: str, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    compared_bundles(bundle, archive)
    write_classifier(user_data() / "bundles" / "eager", ok_classes=("good", "bad"), dataset={"fingerprint": "f1"})
    with opened_archive(archive) as opened:
        opened.write(event_content("dataset", who="Ann", fingerprint="f1", kept_apart=False))
    page = show(archive)
    panel = page.approving.panel
    page.hand_on.actions_by_name["compare"].trigger()
    qtbot.waitUntil(panel.isVisible, timeout=10_000)
    for name, doubted in (("better", False), ("eager", True)):
        choose(panel, name)
        press(page, qtbot, "Compare")
        qtbot.waitUntil(lambda: panel.compared is not None, timeout=30_000)
        calm(qtbot, page)
        assert ("keeps no parts for testing: it may have learnt from all of these" in panel.answer.text()) is doubted


def test_a_recipe_that_is_saved_is_recorded_and_makes_no_archive_page(
    qtbot: QtBot, settings: Settings, conductor: Conductor, behaviour: Behaviour, bundle: str
) -> None:
    recipe = compared_bundles(bundle, archive_folder())
    settings.override(archive="on")
    settings.remember(replace(settings.layout, person="Ann"))
    window = MainWindow(settings, StationWorker(factory=conductor))
    window.worker.start()
    window.open_choice(RunRequest(RECIPE), None)
    window.show_page("recipes")
    window.show()
    qtbot.waitExposed(window)
    window.recipes.recipe_written.emit(recipe)
    assert not window.findChildren(ArchivePage)
    window.close_now()  # at once: what was saved is recorded first
    window.deleteLater()
    with opened_archive(archive_folder()) as opened:
        assert [(one["what"], one["who"]) for one in events(opened.database)] == [("recipe", "Ann")]
