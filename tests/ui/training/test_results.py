"""What came of a run: shown, compared, and used in a recipe."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication, QImage
from pytestqt.qtbot import QtBot

from inspector.bundles.bundle import Bundle, fingerprint_of, read_card, write_card
from inspector.core.sentence import Sentence
from inspector.core.storage.paths import models, user_data
from inspector.recipes.locate import demo_recipe
from inspector.recipes.recipe import load_recipe
from inspector.runs.folder import REPORT, create_run
from inspector.runs.report import NOTHING_LEARNT, Epoch, Interval, read_report
from inspector.runs.settings import train_settings
from inspector.runs.trust import FIGURES, Advice, Trust, dump_trust, trust_folder
from inspector.training.state import run_info
from inspector.ui.shell import strings
from inspector.ui.training.results import where_view
from inspector.ui.training.results.compare import CompareView
from inspector.ui.training.results.page import ResultsView
from inspector.ui.training.results.recipe_panel import RecipePanel
from inspector.ui.training.results.where_view import WhereView
from tests.ui.training.results_making import finished_run, interval


@pytest.fixture
def view(qtbot: QtBot) -> ResultsView:
    made = ResultsView()
    qtbot.addWidget(made)
    made.resize(1174, 700)
    made.show()
    return made


def test_the_result_in_numbers_and_words(qtbot: QtBot, view: ResultsView, tmp_path: Path) -> None:
    view.show_run(finished_run(tmp_path, "first"))
    assert view._headline.text() == "Accuracy 0.860"
    assert view._measured.text() == "first  ·  0.810 to 0.910 with 95 % confidence, on 30 test images"
    numbers = [(value, caption) for value, caption, _ in view.numbers.texts]
    assert numbers == [("0.860", "Accuracy"), ("2.0 %", "Good parts rejected"), ("0.840", "Macro F1")]
    assert view.sentence.text() == "The weakest class is scratch: F1 0.80, with 30 tested."
    assert not view._doubt.isVisible()
    words = view.overview._words.text()
    assert "The weakest class is scratch: F1 0.80" in words
    assert "Good parts rejected: 2.0 % (0.0 to 7.0 %) of 10 images" in words
    assert "Threshold: 0.620 (for the allowed false rejects)" in words
    view.overview.classes.sortItems(1, Qt.SortOrder.DescendingOrder)
    assert view.overview.classes.keys() == [2, 1, 0]
    view.overview.copy_classes.click()
    copied = QGuiApplication.clipboard().text().splitlines()
    assert copied[0] == "Class\tTested\tRecall\tF1"
    assert copied[1].startswith("scratch\t30\t0.700 (0.650 to 0.750)")
    facts = dict(view.settings._facts)
    assert facts["Epochs"] == "30"
    assert facts["Fingerprint of the data"] == "f1"


def test_a_wide_interval_warns(view: ResultsView, tmp_path: Path) -> None:
    view.show_run(
        finished_run(tmp_path, "few", metrics={"accuracy": interval(0.8, 0.15), "macro_f1": interval(0.8)}, images=12)
    )
    assert view._doubt.isVisible()
    assert "12 test images are too few to be sure" in view._doubt.text()
    assert "0.650" in view._doubt.text()


def test_a_cell_of_the_table_leads_to_its_images(qtbot: QtBot, view: ResultsView, tmp_path: Path) -> None:
    view.show_run(finished_run(tmp_path, "first"))
    view.tabs.setCurrentIndex(1)
    table = view.confusion.table
    item = table.item(1, 2)
    assert item is not None
    assert item.text() == "2"
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualItemRect(item).center())
    assert view.tabs.currentWidget() is view.worst
    assert [view.worst.list.item(at).toolTip().splitlines()[0] for at in range(view.worst.list.count())] == ["dent/1.png"]
    assert "1 of the 3 errors" in view.worst.note
    view.worst.everything.click()
    assert view.worst.list.count() == 3
    view.worst.list.itemClicked.emit(view.worst.list.item(0))
    assert view.worst.shown is not None
    assert view.worst.picture.pixmap().width() > 0
    assert view.worst.heat.isVisible()
    view.confusion.copy_button.click()
    assert QGuiApplication.clipboard().text().splitlines()[2] == "dent\t0\t8\t2"


def test_a_report_cannot_show_files_outside_its_run(view: ResultsView, tmp_path: Path) -> None:
    info = finished_run(tmp_path, "first")
    view.show_run(info)
    assert (info.folder / ".." / "secret.jpg").is_file()
    assert view.worst._inside("../secret.jpg") is None
    assert view.worst._inside("report/1.jpg") is not None


def test_curves_are_drawn_copied_and_saved(qtbot: QtBot, view: ResultsView, tmp_path: Path) -> None:
    view.show_run(finished_run(tmp_path, "first"))
    view.tabs.setCurrentIndex(2)
    assert view._curves is not None
    plots = view._curves.plots
    assert [name for name, plot in plots.items() if not plot.isHidden()] == ["precision", "calibration"]
    assert [line.name for line in plots["precision"].lines] == ["good (0.950)", "dent (0.950)", "scratch (0.950)"]
    plots["precision"].copy_button.click()
    rows = QGuiApplication.clipboard().text().splitlines()
    assert rows[0] == "curve\tRecall\tPrecision\tlow\thigh"
    assert len(rows) == 1 + 3 * 20
    plots["precision"].save(tmp_path / "chart.png")
    assert not QImage(str(tmp_path / "chart.png")).isNull()
    plots["precision"].save(tmp_path / "chart.csv")
    assert (tmp_path / "chart.csv").read_text("utf-8-sig").splitlines()[0] == "curve,Recall,Precision,low,high"


COURSE = tuple(Epoch(epoch=epoch, loss=1 / epoch, val_loss=None if epoch == 2 else 2 / epoch) for epoch in (1, 2, 3))


def test_the_losses_of_training_and_validation_are_drawn_and_those_of_several_runs_compared(
    qtbot: QtBot, view: ResultsView, compare: CompareView, tmp_path: Path
) -> None:
    first = finished_run(tmp_path, "first", course=COURSE)
    view.show_run(first)
    view.tabs.setCurrentIndex(2)
    assert view._curves is not None
    plot = view._curves.plots["course"]
    assert not plot.isHidden()
    assert [(line.name, line.x) for line in plot.lines] == [("Training", (1, 2, 3)), ("Validation", (1, 3))]
    assert plot.lines[1].y == pytest.approx((2, 2 / 3))
    older = finished_run(tmp_path, "older", course=tuple(one.model_copy(update={"val_loss": None}) for one in COURSE))
    compare.show_runs([first, older])
    compare.tabs.setCurrentIndex(2)
    assert compare._curves is not None
    lines = compare._curves.plots["course"].lines
    assert [line.name for line in lines] == ["first: Validation", "older: Training"]  # an older run knows no other


def test_it_is_exported_opened_and_handed_on(
    qtbot: QtBot, view: ResultsView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = finished_run(tmp_path, "first")
    view.show_run(info)
    view.save(tmp_path / "result.csv")
    text = (tmp_path / "result.csv").read_text("utf-8-sig")
    assert "Accuracy,0.860,0.810 to 0.910" in text
    assert "dent,0,8,2" in text
    view.save(tmp_path / "result.json")
    assert read_report(tmp_path / "result.json") == read_report(info.folder / REPORT)
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    view.open_report.click()
    assert opened == [str(info.folder / "report.html")]
    with qtbot.waitSignal(view.use_in_recipe, timeout=1000) as wanted:
        view.use.click()
    assert wanted.args == [models() / "window-state"]


def test_a_run_without_a_report_says_so(view: ResultsView, tmp_path: Path) -> None:
    run = tmp_path / "early"
    values = {"task": "classification", "data": tmp_path, "out": run / "bundle", "run": run}
    view.show_run(run_info(create_run(train_settings(values))))
    assert "There is no report" in view._said.text()
    assert not view.tabs.isVisible()
    assert not view.use.isEnabled()
    (run / REPORT).write_text('{"task": "unheard of"}')
    view.show_run(run_info(run))
    assert "is not a report" in view._said.text()


def test_the_results_stand_in_the_windows_language(qtbot: QtBot, view: ResultsView, tmp_path: Path) -> None:
    view.show_run(finished_run(tmp_path, "first"))
    strings.set_language("ja")
    try:
        qtbot.waitUntil(lambda: view._headline.text() == "正解率 0.860", timeout=5000)
        assert "最も弱いクラスは" in view.overview._words.text()
        assert view.overview.metrics.as_text().splitlines()[1] == "正解率\t0.860\t0.810〜0.910"
    finally:
        strings.set_language("en")


@pytest.fixture
def compare(qtbot: QtBot) -> CompareView:
    made = CompareView()
    qtbot.addWidget(made)
    made.resize(1174, 700)
    made.show()
    return made


def table(view: CompareView, name: str) -> dict[str, list[str]]:
    rows = [row.split("\t") for row in getattr(view, name).as_text().splitlines()]
    return {row[0]: row[1:] for row in rows}


def test_two_runs_that_do_not_differ_beyond_chance(compare: CompareView, tmp_path: Path) -> None:
    runs = [
        finished_run(tmp_path, "a", accuracy=0.86),
        finished_run(tmp_path, "b", accuracy=0.90, told={"lr": 0.01, "seed": 4, "width": 320, "height": 192}),
    ]
    compare.show_runs(runs)
    assert compare.verdict.text() == "Accuracy: b is highest, but not a proven difference to a: the intervals overlap."
    assert table(compare, "measures")["Accuracy"] == ["0.860 (0.810 to 0.910)", "0.900 (0.850 to 0.950)", "0.040, not proven"]
    assert set(table(compare, "settings")) == {"Setting", "Input width", "Input height", "Learning rate", "Seed"}
    compare.everything.setChecked(True)
    assert table(compare, "settings")["Epochs"] == ["30", "30"]
    assert len(table(compare, "settings")) > 20


def test_a_proven_difference_and_other_test_images(compare: CompareView, tmp_path: Path) -> None:
    worse = finished_run(tmp_path, "a", accuracy=0.6)
    better = finished_run(tmp_path, "b", accuracy=0.9)
    compare.show_runs([worse, better])
    assert compare.verdict.text() == "Accuracy: b is better than the others; the intervals do not overlap."
    (better.folder / "split.json").write_text(json.dumps({"train": ["a"], "val": ["b"], "test": ["d"]}))
    compare.show_runs([worse, better])
    assert compare.verdict.text().startswith("Measured on different test images")


def test_smaller_errors_are_better(compare: CompareView, tmp_path: Path) -> None:
    def thermal(name: str, error: float) -> dict[str, object]:
        return {
            "task": "thermal",
            "primary": "minus_mae_kelvin",
            "metrics": {"mae_kelvin": Interval(value=error, low=error - 0.1, high=error + 0.1)},
            "classes": (),
            "confusion": None,
            "curves": (),
        }

    compare.show_runs([finished_run(tmp_path, "a", **thermal("a", 3.0)), finished_run(tmp_path, "b", **thermal("b", 1.0))])  # type: ignore[arg-type]
    assert compare.verdict.text() == "Mean error: b is better than the others; the intervals do not overlap."


def test_curves_of_several_runs_in_one_chart(compare: CompareView, tmp_path: Path) -> None:
    compare.show_runs([finished_run(tmp_path, "a"), finished_run(tmp_path, "b")])
    compare.tabs.setCurrentIndex(2)
    assert compare._curves is not None
    names = [line.name for line in compare._curves.plots["precision"].lines]
    assert {name.split(":")[0] for name in names} == {"a", "b"}


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[RecipePanel]:
    made = RecipePanel()
    qtbot.addWidget(made)
    made.resize(1174, 700)
    made.show()
    yield made
    made.end()


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "line.toml"
    path.write_bytes(demo_recipe().read_bytes())
    return path


def test_a_bundle_goes_into_the_running_recipe_and_out_again(qtbot: QtBot, panel: RecipePanel, recipe: Path) -> None:
    panel.show_bundle(models() / "window-state", recipe)
    assert panel.camera.currentText() == "visible"
    assert panel.replaces.currentText() == "window-state"
    assert panel.region.currentText() == "(528, 76) 240 × 240 px, as window-state"
    assert "becomes revision 2" in panel.preview.text()
    with qtbot.waitSignal(panel.applied, timeout=20_000) as told:
        qtbot.mouseClick(panel.apply, Qt.MouseButton.LeftButton)
    assert told.args == [recipe]
    now = load_recipe(recipe)
    added = next(step for step in now.inspect if step.bundle.startswith("window-state-"))
    assert (user_data() / "bundles" / added.bundle / "card.json").is_file()
    assert added.region is not None
    assert [rule.limit for rule in now.rules if rule.bundle == added.bundle] == [0.6]
    with qtbot.waitSignal(panel.applied, timeout=20_000):
        qtbot.mouseClick(panel.undo, Qt.MouseButton.LeftButton)
    assert recipe.read_bytes() == demo_recipe().read_bytes()
    assert panel.apply.isVisible()


def test_another_limit_is_a_rule_of_its_own(qtbot: QtBot, panel: RecipePanel, recipe: Path) -> None:
    panel.show_bundle(models() / "window-state", recipe)
    panel.rule.setCurrentIndex(1)
    panel.rule.activated.emit(1)
    panel.limit.setValue(0.8)
    with qtbot.waitSignal(panel.applied, timeout=20_000):
        panel.apply.click()
    now = load_recipe(recipe)
    assert [(rule.quantity, rule.limit) for rule in now.rules if rule.bundle == now.inspect[-1].bundle] == [("class", 0.8)]


def test_a_camera_of_the_other_kind_is_refused_before_anything_is_written(panel: RecipePanel, recipe: Path) -> None:
    panel.show_bundle(models() / "equipment-temperature", recipe)
    assert panel.camera.currentText() == "thermal"
    panel.camera.setCurrentIndex(0)
    panel.camera.activated.emit(0)
    assert "reads temperatures, and the camera visible gives pictures" in panel.preview.text()
    assert not panel.apply.isEnabled()


def test_a_bundle_that_learnt_nothing_is_asked_about_and_used_with_a_second_click(
    qtbot: QtBot, panel: RecipePanel, recipe: Path, tmp_path: Path
) -> None:
    copy = Bundle.open(models() / "window-state").copy_to(tmp_path / "copy")
    write_card(copy.folder, copy.card.model_copy(update={"training": {**copy.card.training, NOTHING_LEARNT: True}}))
    panel.show_bundle(copy.folder, recipe)
    assert panel.apply.text() == "Use it"
    panel.apply.click()
    assert "learnt nothing in its training" in panel.said.text()
    assert panel.apply.text() == "Use it nevertheless"
    assert load_recipe(recipe).revision == 1
    with qtbot.waitSignal(panel.applied, timeout=20_000):
        panel.apply.click()
    assert load_recipe(recipe).revision == 2
    panel.show_bundle(models() / "window-state", recipe)
    assert panel.apply.text() == "Use it"


def test_a_recipe_changed_meanwhile_is_shown_anew(qtbot: QtBot, panel: RecipePanel, recipe: Path) -> None:
    panel.show_bundle(models() / "window-state", recipe)
    recipe.write_text(recipe.read_text().replace("revision = 1", "revision = 7"))
    panel.apply.click()
    qtbot.waitUntil(lambda: "changed by somebody else" in panel.said.text(), timeout=20_000)
    assert "becomes revision 8" in panel.preview.text()
    with qtbot.waitSignal(panel.applied, timeout=20_000):
        panel.apply.click()
    assert load_recipe(recipe).revision == 8


def test_a_new_recipe_for_a_source(qtbot: QtBot, panel: RecipePanel) -> None:
    panel.show_bundle(models() / "window-state", None)
    assert not panel.apply.isEnabled()  # no source is taken for granted
    panel.set_source("usb:0")
    with qtbot.waitSignal(panel.applied, timeout=20_000) as told:
        panel.apply.click()
    assert told.args is not None
    with qtbot.waitSignal(panel.inspect_wanted, timeout=5_000) as wanted:
        qtbot.mouseClick(panel.go, Qt.MouseButton.LeftButton)
    assert wanted.args == told.args
    made = load_recipe(told.args[0])
    assert [camera.source for camera in made.cameras.values()] == ["usb:0"]
    assert told.args[0].is_relative_to(user_data())


def test_pictures_of_one_s_own_do_not_get_the_demo_line_s_regions(panel: RecipePanel, tmp_path: Path) -> None:
    panel.show_bundle(models() / "window-state", demo_recipe(), source=f"folder:{tmp_path}")
    assert panel.recipe.currentText() == "A new recipe"
    assert panel.source.text() == f"folder:{tmp_path}"
    assert panel.wish().step.region is None
    assert not panel.region.isVisible()
    panel.show_bundle(models() / "window-state", demo_recipe())  # learnt from the demo line: there it belongs
    assert panel.region.currentText() == "(528, 76) 240 × 240 px, as window-state"


def test_a_recipe_that_cannot_be_read_is_said(panel: RecipePanel, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("format = 1\n[")
    panel.show_bundle(models() / "window-state", tmp_path / "bad.toml")
    assert "is not TOML" in panel.said.text()
    assert not panel.apply.isEnabled()


def test_nothing_is_cut_off(qtbot: QtBot, view: ResultsView, tmp_path: Path) -> None:
    view.show_run(finished_run(tmp_path, "first"))
    for button in (view.use, view.open_report, view.export):
        assert button.mapTo(view, QPoint(button.width(), 0)).x() <= view.width()


def looked_at(name: str, right: float, advice: tuple[Advice, ...] = (), *, fingerprint: str = "another") -> Trust:
    known = {"folder": "line", "fingerprint": fingerprint, "task": "classification", "created": datetime.now(UTC), "data": "d"}
    return Trust(bundle=name, images=12, right=right, inside_truth=right / 2, lift=2 * right, road=0.3, advice=advice, **known)


def test_what_went_wrong_is_said_of_the_run_that_was_looked_at(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = (sys.executable, "-c", "import sys; sys.exit('the disk is full')")
    monkeypatch.setattr(where_view, "program_command", lambda *_: fails)
    first, other = finished_run(tmp_path, "first"), finished_run(tmp_path, "other")
    view = WhereView()
    qtbot.addWidget(view)
    view.show_run(first)
    view.make()
    assert view.state.text() == "Looking at the images…"
    view.show_run(other)
    assert view.state.text().startswith("Not looked at yet")
    qtbot.waitUntil(view.explain.isEnabled, timeout=10_000)
    assert view.state.text().startswith("Not looked at yet")
    view.show_run(first)
    assert view.state.text() == "the disk is full"


def test_an_advice_is_a_button_that_opens_a_training_with_the_change(qtbot: QtBot, view: ResultsView, tmp_path: Path) -> None:
    info = finished_run(tmp_path, "first", told={"cover": "90,90,10,10"})
    view.show_run(info)
    view.tabs.setCurrentWidget(view.where)
    assert view.where.state.text().startswith("Not looked at yet")
    assert view.where.explain.isEnabled()
    cover = Advice(change="cover", why=Sentence(template="A lamp."), settings={"cover": "0,0,20,20"})
    collect = Advice(change="collect", why=Sentence(template="More images."))
    folder = trust_folder(info.folder.parent, tmp_path / "line")
    folder.mkdir(parents=True)
    (folder / FIGURES).write_bytes(dump_trust([looked_at("window-state", 0.5, (collect,))]))
    view.show_run(info)
    assert view.where.state.text().startswith("Not looked at yet")  # what an earlier bundle of that name was told
    own = fingerprint_of(read_card(models() / "window-state"))
    found = [looked_at("before", 0.5), looked_at("window-state", 0.75, (cover, collect), fingerprint=own)]
    (folder / FIGURES).write_bytes(dump_trust(found))
    view.show_run(info)
    assert view.where.table.rowCount() == 2  # side by side with the run before
    assert not view.where.state.isVisible()
    (button,) = view.where.advice  # nothing can be trained where images are to be collected
    with qtbot.waitSignal(view.train_wanted) as wanted:
        button.click()
    settings = wanted.args[0]
    assert (settings.cover, settings.bundle_name) == ("90,90,10,10+0,0,20,20", "first-cover")
    (folder / FIGURES).write_text("[{")
    view.show_run(info)
    assert view.where.table.isHidden()
