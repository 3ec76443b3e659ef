"""The second step: network, input size and start weights, with a recommendation and its reasons."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from PySide6.QtCore import QCoreApplication, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from inspector.core.errors import InspectorError
from inspector.core.installed import training_pack
from inspector.core.message import Message, message
from inspector.core.registry import NETWORKS
from inspector.core.types import TaskName
from inspector.data.survey import Survey
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.tabs.controls import NumberField
from inspector.ui.training.labels import minutes_text
from inspector.ui.training.new.alternatives_view import Alternative, Considered
from inspector.ui.training.new.background_queries import AskThread
from inspector.ui.training.new.draft import Draft
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.file_dialogs import ask_file
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.setting_fields import SettingRow
from inspector.ui.widgets.themed import Themed

_NEEDED: Final = ("torch", "torchvision", "timm", "onnx", "onnxscript")
_FIELDS: Final = ("width", "height", "epochs", "batch")
_FILE: Final = "file"
_LONGEST_TAKT: Final = 600.0


class Advice(Protocol):
    """A recommendation: values of `TrainSettings`, the reasons as sentences, the obstacles, and the alternatives."""

    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def reasons(self) -> Sequence[Message]: ...
    @property
    def problems(self) -> Sequence[Message]: ...
    @property
    def alternatives(self) -> Sequence[Alternative]: ...


# From the survey, the task and the takt in seconds (None: not known).
Advisor = Callable[[Survey, TaskName, float | None], Advice]
# Minutes from the settings and the number of images.
Estimator = Callable[[Mapping[str, Any], int], float | None]
# What is said of other programs that make a training slower; None: there are none.
Busy = Callable[[], Message | None]


def missing_for_training() -> Message | None:
    """Return the missing package that prevents training on this computer; None if training is possible."""
    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            pack = training_pack()
            return message(
                "Training is not installed. Install the training pack, {pack}. Everything can be prepared here nevertheless."
                if pack
                else "Training needs the Python package {package}, which is not installed. Install it from the program's "
                "folder: packaging/run.sh --with train (Windows: run.ps1). Everything can be prepared here nevertheless.",
                package=package.replace("_", "-"),
                pack=pack,
            )
    return None


class NetworkPage(Themed, QWidget):
    """Shows the recommendation, and lets a person choose otherwise. `told`: recommendation or time became known or unknown."""

    told = Signal()

    def __init__(
        self,
        draft: Draft,
        ask: AskThread,
        *,
        advisor: Advisor | None,
        estimator: Estimator | None,
        busy: Busy | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._draft, self._ask, self._advisor, self._estimator, self._busy = draft, ask, advisor, estimator, busy
        self._others: Message | None = None
        self._survey: Survey | None = None
        self._advice: Advice | None = None
        self._advised_for: tuple[Path, TaskName] | None = None
        self._trouble: InspectorError | None = None
        self.minutes: float | None = None  # estimated time with the current settings; None: unknown
        self._titles = [QLabel() for _ in range(3)]
        for title in self._titles:
            title.setProperty("role", "strong")
        self._reason, self._time, self._busy_text, self._takt_text, self._takt_why = (QLabel() for _ in range(5))
        for label in (self._reason, self._time, self._busy_text, self._takt_why):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._reason.setObjectName("reason")
        self._time.setObjectName("estimated_time")
        self._busy_text.setObjectName("busy")
        self._takt_why.setProperty("role", "small")
        self.missing = QLabel()
        self.missing.setObjectName("missing")
        self.missing.setProperty("role", "error")
        self.missing.setWordWrap(True)
        self._missing = missing_for_training()
        self.takt = NumberField(0.0, _LONGEST_TAKT)
        self.takt.field.setObjectName("takt")
        self.takt.field.setSuffix(" s")
        self.takt.field.setKeyboardTracking(False)
        self.follow = QPushButton()
        self.follow.setObjectName("use_recommendation")
        self.considered = Considered()
        self.considered.chosen.connect(lambda settings: draft.set(**settings))
        self.networks = self._make_networks()
        self.weights = ComboBox()
        self.weights.setObjectName("start_weights")
        self.weights.setMinimumHeight(theme.TOUCH)
        self.rows = {name: SettingRow(name, draft) for name in _FIELDS}
        self._arrange()
        self.takt.valueChanged.connect(lambda _: self._advise())
        self.follow.clicked.connect(lambda: draft.reset(self._advised_names()))
        self.weights.activated.connect(self._choose_weights)
        draft.changed.connect(self._on_changed)
        ask.answered.connect(self._on_answer)
        ask.troubled.connect(self._on_trouble)
        self.retranslate()

    def _make_networks(self) -> dict[str, QRadioButton]:
        group = QButtonGroup(self)
        made = {}
        for key in NETWORKS:
            button = QRadioButton()
            button.setObjectName(f"network_{key}")
            button.clicked.connect(lambda _=False, key=key: self._choose(key))
            group.addButton(button)
            made[key] = button
        return made

    def _arrange(self) -> None:
        left, left_box = _card()
        takt = plain(QHBoxLayout())
        takt.addWidget(self._takt_text, 1)
        takt.addWidget(self.takt)
        for widget in (self._titles[0], self._reason, self._time, self._busy_text, self.follow):
            left_box.addWidget(widget)
        left_box.addSpacing(theme.SPACING)
        left_box.addWidget(self.considered)
        left_box.addSpacing(theme.SPACING * 2)
        left_box.addLayout(takt)
        left_box.addWidget(self._takt_why)
        left_box.addStretch(1)
        right, right_box = _card()
        right_box.addWidget(self._titles[1])
        for button in self.networks.values():
            right_box.addWidget(button)
        right_box.addSpacing(theme.SPACING)
        right_box.addWidget(self._titles[2])
        right_box.addWidget(self.weights)
        for row in self.rows.values():
            right_box.addWidget(row)
        right_box.addStretch(1)
        advised = scrolled(left)
        advised.setMaximumWidth(theme.SPACING * 54)
        row_of_cards = plain(QHBoxLayout(), theme.SPACING * 2)
        row_of_cards.addWidget(advised, 2)
        row_of_cards.addWidget(scrolled(right), 3)
        box = plain(QVBoxLayout(self), theme.SPACING * 2)
        box.addWidget(self.missing)
        box.addLayout(row_of_cards, 1)

    @property
    def can_train(self) -> bool:
        """Whether the packages for training are installed."""
        return self._missing is None

    def show_survey(self, found: Survey | None) -> None:
        """Recommend settings for this data."""
        self._survey = found
        self._advise()

    @property
    def settled(self) -> bool:
        """Whether no pending answer can still change the settings."""
        return not self._ask.waits("advice")

    def _advise(self) -> None:
        survey, task, advisor, takt = self._survey, self._draft.task, self._advisor, self.takt.value() or None
        subject = (survey.folder, task) if survey is not None and task is not None and task in survey.tasks else None
        if subject != self._advised_for:  # the recommendation for the earlier data does not apply
            self._advised_for, self._advice, self._trouble = subject, None, None
            self._draft.advise({})
        if survey is None or task is None or subject is None or advisor is None:
            self._ask.forget("advice")
        else:
            self._ask.ask("advice", lambda: advisor(survey, task, takt))
            if self._busy is not None:
                self._ask.ask("busy", self._busy)
        self._estimate()
        self._refresh()

    def _estimate(self) -> None:
        offered = self._survey.tasks.get(self._draft.task) if self._survey and self._draft.task else None
        estimator, values = self._estimator, self._draft.values()
        if offered is None or estimator is None or self._draft.errors():
            self.minutes = None
            self._ask.forget("minutes")
        else:
            images = offered.total
            self._ask.ask("minutes", lambda: estimator(values, images))

    def _on_answer(self, kind: str, answer: Any) -> None:  # noqa: ANN401 - whatever was asked for
        if kind == "advice":
            self._advice, self._trouble = answer, None
            self._draft.advise(answer.settings)
            self._refresh()
        elif kind == "minutes":
            self.minutes = answer
            self._say()
        elif kind == "busy":
            self._others = answer
            self._say()
        else:
            return
        self.told.emit()

    def _on_trouble(self, kind: str, trouble: InspectorError) -> None:
        if kind == "advice":
            self._advice, self._trouble = None, trouble
            self._draft.advise({})
        elif kind == "minutes":
            self.minutes = None
        else:
            return
        self._refresh()
        self.told.emit()

    def _choose(self, key: str) -> None:
        """Choose a network, with its own learning settings where they are known."""
        if self._advice is not None and self._advice.settings.get("network") == key:
            known = {name for one in self._networks_weighed() for name in one.settings}
            self._draft.reset(sorted(known | {"network", "pretrained"}))
            return
        values: dict[str, Any] = {"network": key}
        if not NETWORKS[key].pretrained:
            values["pretrained"] = ""
        for one in self._networks_weighed():
            if one.settings["network"] == key:
                values |= one.settings
        self._draft.set(**values)

    def _networks_weighed(self) -> list[Alternative]:
        return [one for one in self._advice.alternatives if "network" in one.settings] if self._advice is not None else []

    def _advised_names(self) -> list[str]:
        """Return every setting for which the recommendation or an alternative has a value."""
        if self._advice is None:
            return ["network"]
        return sorted({*self._advice.settings, *(name for one in self._advice.alternatives for name in one.settings)})

    def _choose_weights(self, index: int) -> None:
        value = self.weights.itemData(index)
        if value == _FILE:
            kinds = self.tr("Weights (*.safetensors *.pth *.pt)")
            ask_file(self, self.tr("Choose start weights"), self._use_weights, kinds=kinds)
            value = self._draft.value("pretrained")  # until a file was chosen
        self._draft.set(pretrained=value)
        self._refresh()

    def _use_weights(self, file: Path) -> None:
        self._draft.set(pretrained=str(file))
        self._refresh()

    def _on_changed(self, names: frozenset[str]) -> None:
        del names  # every setting may change the time
        self._estimate()
        self._refresh()

    def _refresh(self) -> None:
        draft, task = self._draft, self._draft.task
        network = str(draft.value("network"))
        for key, button in self.networks.items():
            button.setVisible(task in NETWORKS[key].tasks)
            words = self._network_words(key)
            button.setText(words)
            button.setAccessibleName(words)
            pretrained = self.tr("It can start from a network that knows pictures already.")
            button.setToolTip(pretrained if NETWORKS[key].pretrained else "")
            with QSignalBlocker(button):
                button.setChecked(key == network)
        self._fill_weights(network)
        errors = draft.errors()
        for name, row in self.rows.items():
            row.show_error(errors.get(name, ""))
        self._say()

    def _network_words(self, key: str) -> str:
        entry = NETWORKS[key]
        words = [QCoreApplication.translate("networks", entry.label)]
        if self._advice is not None and self._advice.settings.get("network") == key:
            words.append(self.tr("recommended"))
        if entry.pretrained:
            words.append(self.tr("can start pretrained"))
        return "  ·  ".join(words)

    def _fill_weights(self, network: str) -> None:
        value = str(self._draft.value("pretrained"))
        allowed = network in NETWORKS and NETWORKS[network].pretrained
        with QSignalBlocker(self.weights):
            self.weights.clear()
            self.weights.addItem(self.tr("From nothing"), "")
            if allowed or value:
                self.weights.addItem(self.tr("ImageNet photographs"), "imagenet")
            if value not in ("", "imagenet"):
                self.weights.addItem(Path(value).name, value)
            if allowed:
                self.weights.addItem(self.tr("A file…"), _FILE)
            self.weights.setCurrentIndex(self.weights.findData(value))
        self.weights.setEnabled(allowed or bool(value))

    def _say(self) -> None:
        advice = self._advice
        self._reason.setText(self._reason_text())
        own = self._draft.own
        self.follow.setEnabled(any(name in own for name in self._advised_names()))
        self.considered.show_alternatives(advice.alternatives if advice is not None else ())
        minutes = self.minutes
        self._time.setText(self.tr("Estimated time: {time}").format(time=minutes_text(minutes)) if minutes is not None else "")
        self._time.setVisible(minutes is not None)
        self._busy_text.setText(translate(self._others) if self._others is not None else "")
        self._busy_text.setVisible(minutes is not None and self._others is not None)

    def _reason_text(self) -> str:
        if self._advice is not None:
            return "\n\n".join(translate(line) for line in (*self._advice.reasons, *self._advice.problems))
        if self._trouble is not None:
            return translate(self._trouble.problem)
        if not self.settled:
            return self.tr("Working out what suits this data…")
        return self.tr("The usual network of this task.")

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Network"))
        titles = (self.tr("Recommended"), self.tr("Network"), self.tr("Start weights"))
        for label, text in zip(self._titles, titles, strict=True):
            label.setText(text)
        self.weights.setAccessibleName(self.tr("Start weights"))
        self.follow.setText(self.tr("Use what is recommended"))
        self.follow.setAccessibleName(self.tr("Use what is recommended"))
        self._takt_text.setText(self.tr("Takt"))
        self._takt_why.setText(self.tr("The time the line gives each part. 0: not known, so any network may be recommended."))
        self.takt.set_texts(self.tr("Takt in seconds"), self.tr("less"), self.tr("more"))
        self.missing.setText(translate(self._missing) if self._missing is not None else "")
        self.missing.setVisible(self._missing is not None)
        self._refresh()


def _card() -> tuple[QFrame, QVBoxLayout]:
    card = QFrame()
    card.setProperty("role", "card")
    box = QVBoxLayout(card)
    box.setContentsMargins(*(theme.SPACING * 2,) * 4)
    box.setSpacing(theme.SPACING)
    return card, box
