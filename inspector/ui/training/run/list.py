"""The list of runs: active runs first, then waiting runs in their order, then finished runs, the newest first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractListModel,
    QCoreApplication,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from inspector.training.state import LIVE, RunInfo, RunState
from inspector.ui.shell import theme
from inspector.ui.training.run.labels import best_text, kind_text, left_text, share_done, sign_of, state_word, when_text
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

_HEIGHT: Final = theme.SPACING * 11
_LINE: Final = theme.SPACING * 5 // 2
_BAR: Final = theme.SPACING // 2

Index = QModelIndex | QPersistentModelIndex
INFO_ROLE: Final = Qt.ItemDataRole.UserRole
TURN_ROLE: Final = Qt.ItemDataRole.UserRole + 1


def in_order(runs: Sequence[RunInfo]) -> list[RunInfo]:
    """Return the runs in list order."""

    def waits_since(info: RunInfo) -> float:
        return (info.record.queued or info.record.created).timestamp()

    live = [info for info in runs if info.state in LIVE]
    waiting = sorted((info for info in runs if info.state is RunState.WAITING), key=waits_since)
    over = [info for info in runs if info.outcome is not None]
    return [*live, *waiting, *sorted(over, key=lambda info: info.record.created, reverse=True)]


class RunsModel(QAbstractListModel):
    """The runs in the order of `in_order`. A row that keeps its position is only updated, so that nothing jumps."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[RunInfo] = []
        self._turns: dict[Path, int] = {}

    @property
    def runs(self) -> Sequence[RunInfo]:
        return self._runs

    def turn(self, folder: Path) -> int:
        """Return the position of a run among the waiting runs, from 1; 0 if the run does not wait."""
        return self._turns.get(folder, 0)

    def row_of(self, folder: Path | None) -> int:
        """Return the row of a run, or -1 if it is not listed."""
        return next((row for row, info in enumerate(self._runs) if info.folder == folder), -1)

    def set_runs(self, runs: Sequence[RunInfo]) -> None:
        """Show these runs."""
        ordered = in_order(runs)
        waiting = [info for info in ordered if info.state is RunState.WAITING]
        self._turns = {info.folder: turn for turn, info in enumerate(waiting, start=1)}
        before, now = [info.folder for info in self._runs], [info.folder for info in ordered]
        if before == now:
            changed = [row for row, (old, new) in enumerate(zip(self._runs, ordered, strict=True)) if old != new]
            self._runs = ordered
            for row in changed:
                self.dataChanged.emit(self.index(row), self.index(row))
            return
        self.layoutAboutToBeChanged.emit()
        kept = [(index, self._runs[index.row()].folder) for index in self.persistentIndexList()]
        self._runs = ordered
        rows = {folder: row for row, folder in enumerate(now)}
        for index, folder in kept:
            self.changePersistentIndex(index, self.index(rows[folder]) if folder in rows else QModelIndex())
        self.layoutChanged.emit()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._runs)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's own signature
        if not index.isValid() or index.row() >= len(self._runs):
            return None
        info = self._runs[index.row()]
        if role == INFO_ROLE:
            return info
        if role == TURN_ROLE:
            return self.turn(info.folder)
        if role == Qt.ItemDataRole.DisplayRole:
            return info.name
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            said = (info.name, kind_text(info), state_word(info, self.turn(info.folder)), left_text(info), best_text(info))
            text = ", ".join(part for part in (*said, when_text(info)) if part)
            return plain_tip(text) if role == Qt.ItemDataRole.ToolTipRole else text
        return None


class _Delegate(QStyledItemDelegate):
    """Paints one run."""

    def __init__(self, parent: "RunList") -> None:
        super().__init__(parent)
        self._list = parent

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(theme.SPACING * 30, _HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        info = index.data(INFO_ROLE)
        if not isinstance(info, RunInfo):
            return
        dress, rect, state = theme.current(), QRect(option.rect), option.state
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, dress.color("raised" if chosen else "hover"))
        if chosen:
            painter.fillRect(QRect(rect.left(), rect.top(), theme.SPACING // 2, rect.height()), dress.color("accent"))
        painter.fillRect(QRect(rect.left(), rect.bottom(), rect.width(), 1), dress.color("border"))
        inner = rect.adjusted(theme.SPACING * 2, theme.SPACING, -theme.SPACING * 3 // 2, -theme.SPACING)
        if self._list.choosing:
            self._paint_tick(painter, inner, chosen)
            inner.setLeft(inner.left() + theme.ICON + theme.SPACING)
        sign = sign_of(info)
        side = _LINE
        theme.icon(sign.icon, sign.color).paint(painter, QRect(inner.left(), inner.top(), side, side))
        words = inner.adjusted(side + theme.SPACING, 0, 0, 0)
        best = best_text(info)
        if best and info.state is RunState.DONE:
            best = QCoreApplication.translate("runs", "{value} on validation").format(value=best)
        when = when_text(info)
        self._line(painter, words, 0, info.name, "", "text", bold=True)
        self._line(painter, words, 1, kind_text(info), when, "muted")
        how = " · ".join(filter(None, (state_word(info, index.data(TURN_ROLE)), left_text(info))))
        self._line(painter, words, 2, how, best, "text")
        share = share_done(info)
        if share is not None and info.state is not RunState.DONE:
            self._paint_bar(painter, words, share, dress.color("accent" if info.state in LIVE else "disabled"))
        if state & QStyle.StateFlag.State_HasFocus and self._list.hasFocus():
            painter.setPen(QPen(dress.color("accent"), 2))
            painter.drawRect(rect.adjusted(1, 1, -2, -2))
        painter.restore()

    def _line(
        self, painter: QPainter, room: QRect, line: int, left: str, right: str, color: str, *, bold: bool = False
    ) -> None:
        """Draw a line: its text, cut to fit, and the text at its end."""
        painter.setFont(theme.font("body" if bold else "small", bold=bold))
        painter.setPen(theme.current().color(color))
        metrics, place = painter.fontMetrics(), QRect(room.left(), room.top() + line * _LINE, room.width(), _LINE)
        taken = metrics.horizontalAdvance(right) + theme.SPACING if right else 0
        elided = metrics.elidedText(left, Qt.TextElideMode.ElideRight, place.width() - taken)
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, elided)
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, right)

    def _paint_bar(self, painter: QPainter, room: QRect, share: float, color: QColor) -> None:
        whole = QRectF(room.left(), room.top() + 3 * _LINE + _BAR, room.width(), _BAR)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for width, paint in ((whole.width(), theme.current().color("pressed")), (whole.width() * share, color)):
            painter.setBrush(paint)
            painter.drawRoundedRect(QRectF(whole.left(), whole.top(), width, _BAR), _BAR / 2, _BAR / 2)

    def _paint_tick(self, painter: QPainter, room: QRect, on: bool) -> None:
        side = theme.ICON
        box = QRect(room.left(), room.center().y() - side // 2, side, side)
        theme.icon("done" if on else "unchecked", "accent" if on else "muted").paint(painter, box)


class RunList(Themed, QListView):
    """The list of runs. `chosen` carries the run's folder, `several` the folders chosen for a comparison."""

    chosen = Signal(object)
    several = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("runs")
        self.choosing = False
        self.runs = RunsModel()
        self.runs.setParent(self)
        self.setModel(self.runs)
        self.setItemDelegate(_Delegate(self))
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.selectionModel().selectionChanged.connect(self._on_selection)
        self.retranslate()

    def set_choosing(self, on: bool) -> None:
        """Switch between choosing several runs by plain presses and choosing a single one."""
        self.choosing = on
        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.MultiSelection if on else mode.SingleSelection)
        self.viewport().update()

    @property
    def folders(self) -> list[Path]:
        """The chosen runs, from top to bottom."""
        rows = sorted(index.row() for index in self.selectionModel().selectedIndexes())
        return [self.runs.runs[row].folder for row in rows]

    def choose(self, folder: Path | None) -> None:
        """Select only this run; None: no run."""
        row = self.runs.row_of(folder)
        if row < 0:
            self.selectionModel().clear()
        elif self.folders != [folder]:
            index = self.runs.index(row)
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self.scrollTo(index)

    def _on_selection(self) -> None:
        folders = self.folders
        if self.choosing:
            self.several.emit(folders)
        elif folders:
            self.chosen.emit(folders[0])

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Trainings"))
        self.viewport().update()

    def restyle(self) -> None:
        self.viewport().update()
