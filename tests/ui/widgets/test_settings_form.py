"""Forms made of declarations: a person types, reads what is wrong at the field, and gets what a file would say."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QLabel, QLineEdit, QStyle, QStyleOptionComboBox, QWidget
from pytestqt.qtbot import QtBot

from inspector.cameras.base import open_camera, options_model
from inspector.core.config import FiniteModel, form_fields
from inspector.core.errors import ConfigError
from inspector.core.registry import CAMERAS
from inspector.recipes.recipe import CameraModel, Gate, InspectModel, Recipe, RegionModel, Rule
from inspector.ui.shell import strings, theme
from inspector.ui.widgets.inputs import ComboBox, DoubleSpinBox
from inspector.ui.widgets.setting_fields import in_words
from inspector.ui.widgets.settings_form import SettingsForm

STATION = ("mode", "engine", "precision", "join_ms", "trigger_ms", "max_batch", "max_wait_ms", "takt_ms", "deadline_ms")
ADDRESSES = {"folder": "folder:.", "usb": "usb:0", "rtsp": "rtsp://camera.invalid/1", "video": "video:x.mp4"}


def form_of(qtbot: QtBot, model: type[FiniteModel], **values: object) -> SettingsForm:
    made = SettingsForm(model, values)
    qtbot.addWidget(made)
    made.show()
    return made


def type_into(qtbot: QtBot, form: SettingsForm, name: str, text: str) -> None:
    """Type over what is in a field and confirm it."""
    field = form.rows[name].editor.focus
    assert isinstance(field, QLineEdit | DoubleSpinBox)
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return if text else Qt.Key.Key_Delete)


def error(form: SettingsForm, name: str) -> str:
    """The sentence at a field, empty where none is seen."""
    label = form.rows[name].findChild(QLabel, f"error_{name}")
    return label.text() if label is not None and label.isVisible() else ""


def test_camera_options_are_typed_and_what_is_wrong_is_said_at_the_field(qtbot: QtBot) -> None:
    form = form_of(qtbot, options_model("usb"), width=1280, height=720)
    changes: list[dict[str, object]] = []
    form.changed.connect(lambda: changes.append(form.values()))
    spin = form.rows["timeout"].editor.focus
    assert isinstance(spin, DoubleSpinBox)
    assert (spin.text(), spin.minimum(), spin.maximum()) == ("3 s", 0.3, 60.0)
    shown = [label.text() for label in form.rows["timeout"].findChildren(QLabel) if label.isVisible()]
    assert shown == ["Timeout", "Seconds without a frame after which the camera counts as lost", "Default: 3 s (0.3 to 60)"]

    type_into(qtbot, form, "timeout", "5")
    type_into(qtbot, form, "fourcc", "MJP")
    assert error(form, "fourcc") == "It is not written in the form that is asked for."
    type_into(qtbot, form, "fourcc", "MJPG")
    assert not form.errors()
    assert changes[-1] == form.values() == {"width": 1280, "height": 720, "timeout": 5.0, "fourcc": "MJPG"}

    form.rows["width"].reset.click()
    assert form.values() == {"height": 720, "timeout": 5.0, "fourcc": "MJPG"}
    assert not form.rows["width"].reset.isVisible()
    seen = len(changes)
    form.set_values({"fps": 30.0})
    assert form.values() == {"fps": 30.0}
    assert len(changes) == seen, "values that are set are not a person's change"


def test_numbers_that_may_be_left_out(qtbot: QtBot) -> None:
    form = form_of(qtbot, options_model("folder"), bits=12)
    type_into(qtbot, form, "bits", "17")
    assert error(form, "bits") == "It must be at most 16."
    type_into(qtbot, form, "bits", "twelve")
    assert error(form, "bits") == "Enter a whole number."
    type_into(qtbot, form, "bits", "12.5")
    assert error(form, "bits") == "Enter a whole number."
    type_into(qtbot, form, "scale", "0")
    assert error(form, "scale") == "It must be more than 0."
    type_into(qtbot, form, "bits", "")
    type_into(qtbot, form, "scale", "0.04")
    assert not form.errors()
    assert form.values() == {"scale": 0.04}
    unit, loop = form.rows["unit"].editor.focus, form.rows["loop"].editor.focus
    assert isinstance(unit, ComboBox)
    assert isinstance(loop, QCheckBox)
    assert [unit.itemText(index) for index in range(unit.count())] == ["empty", "intensity", "kelvin", "celsius", "fahrenheit"]
    unit.setCurrentIndex(3)
    loop.click()
    assert form.values() == {"scale": 0.04, "unit": "celsius", "loop": True}


def test_a_rule(qtbot: QtBot) -> None:
    form = form_of(qtbot, Rule, bundle="plates")
    assert form.errors() == {"quantity": "It must be given.", "limit": "It must be given."}
    quantity = form.rows["quantity"].editor.focus
    assert isinstance(quantity, ComboBox)
    quantity.setCurrentIndex(quantity.findText("Largest area (mm2)"))
    type_into(qtbot, form, "limit", "2")
    type_into(qtbot, form, "review", "2.5")
    whole = form.findChild(QLabel, "error_form")
    assert isinstance(whole, QLabel)
    assert whole.isVisible()
    assert whole.text() == "The warning limit must come before the limit."
    type_into(qtbot, form, "review", "1.5")
    assert not whole.isVisible()
    assert Rule(**form.values()) == Rule(bundle="plates", quantity="largest_mm2", limit=2.0, review=1.5)


def test_a_value_of_a_file_that_is_no_choice_is_kept_and_named(qtbot: QtBot) -> None:
    form = form_of(qtbot, Rule, bundle="plates", quantity="weight", limit=3)
    quantity = form.rows["quantity"].editor.focus
    assert isinstance(quantity, ComboBox)
    assert quantity.currentText() == "weight"
    assert "there is no quantity 'weight'" in error(form, "quantity")
    assert form.values()["quantity"] == "weight"
    unknown = form_of(qtbot, Gate, blurr=1)
    assert unknown.errors() == {"": "blurr: There is no such setting."}


def test_settings_of_the_station_are_some_fields_of_a_recipe(qtbot: QtBot) -> None:
    form = SettingsForm(Recipe, {"name": "plates", "takt_ms": 200.0}, names=STATION)  # its cameras are edited elsewhere
    qtbot.addWidget(form)
    form.show()
    assert tuple(form.rows) == STATION
    assert not form.errors()
    type_into(qtbot, form, "takt_ms", "0")
    assert error(form, "takt_ms") == "It must be more than 0."
    engine = form.rows["engine"].editor.focus
    assert isinstance(engine, ComboBox)
    assert engine.currentText() == "OpenVINO"
    engine.setCurrentIndex(engine.findText("ONNX Runtime"))
    assert form.values() == {"name": "plates", "takt_ms": 0, "engine": "onnxruntime"}


@pytest.mark.parametrize("kind", CAMERAS)
def test_a_form_offers_the_options_that_the_driver_takes(kind: str) -> None:
    """What the driver says of an option it does not know names what it takes."""
    with pytest.raises(ConfigError) as refused:
        open_camera("top", ADDRESSES.get(kind, kind), {"nonsense": 1})
    assert refused.value.remedy is not None
    assert refused.value.remedy.values["names"] == ", ".join(form_fields(options_model(kind)))


def test_every_text_of_every_form_follows_the_language(qtbot: QtBot) -> None:
    models = (Gate, CameraModel, InspectModel, RegionModel, Rule, *(options_model(kind) for kind in CAMERAS))
    whole = QWidget()
    qtbot.addWidget(whole)
    forms = [SettingsForm(model, {}, whole) for model in models]
    try:
        strings.set_language("ja")
        last = list(forms[-1].rows.values())[-1]
        qtbot.waitUntil(lambda: not last.text.isascii())
        for form in forms:
            for name, row in form.rows.items():
                shown = form.draft.fields[name]
                assert in_words(shown.label) in row.text
                assert not row.text.removeprefix(name).isascii(), f"{type(form).__name__} {name}"
        when = forms[4].rows["when"].editor.focus
        assert isinstance(when, ComboBox)
        assert when.currentText() == in_words("above") != "above"
    finally:
        strings.set_language("en")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_choice_of_a_narrow_form_can_be_read_in_whole(qtbot: QtBot, language: strings.Language) -> None:
    strings.set_language(language)
    try:
        for model in (Rule, InspectModel, Recipe):
            form = SettingsForm(model, narrow=True)
            qtbot.addWidget(form)
            form.resize(theme.SPACING * 52, 900)
            form.show()
            for box in form.findChildren(ComboBox):
                option = QStyleOptionComboBox()
                box.initStyleOption(option)
                field = QStyle.SubControl.SC_ComboBoxEditField
                room = box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, box).width()
                texts = [box.itemText(index) for index in range(box.count())]
                assert [text for text in texts if box.fontMetrics().horizontalAdvance(text) > room] == []
    finally:
        strings.set_language("en")


def test_a_label_that_becomes_an_error_gets_the_margins_of_one(qtbot: QtBot) -> None:
    label, error = QLabel("wrong"), QLabel("wrong")
    label.setProperty("role", "small")
    error.setProperty("role", "error")
    for one in (label, error):
        qtbot.addWidget(one)
        one.show()
    theme.set_role(label, "error")
    label.adjustSize()
    assert label.contentsRect().topLeft() == error.contentsRect().topLeft()
    assert label.sizeHint() == error.sizeHint()
