"""What does not fit where it is shown: clipped texts, widgets outside the window, nested scrolling, tables without rows."""

from collections.abc import Iterator

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListView,
    QScrollArea,
    QTabBar,
    QTableView,
    QToolButton,
    QWidget,
)

from inspector.ui.shell import theme

PADDING = 12  # pixels of a tab beside its text
ROWS = 2  # of a table that are seen at least, if it has as many


def settle() -> None:
    """Let texts arrive and the layouts follow."""
    for _ in range(3):
        QApplication.processEvents()


def misfits(root: QWidget) -> list[str]:
    """Describe everything visible that does not fit."""
    return [*clipped(root), *outside(root), *scrolling_in_scrolling(root), *without_rows(root)]


def clipped(root: QWidget) -> list[str]:
    """Describe the visible texts that are larger than their widget, and the widgets that stick out of their parent."""
    found = []
    for widget in _seen(root):
        name = _name(widget)
        if isinstance(widget, QLabel) and widget.text() and not widget.wordWrap():
            needed = widget.fontMetrics().horizontalAdvance(widget.text())
            if needed > room_for_text(widget) + 1 or widget.height() < widget.fontMetrics().ascent():
                found.append(f"{name}: {widget.text()!r} needs {needed} of {room_for_text(widget)} px")
        if isinstance(widget, QLabel) and widget.text() and widget.wordWrap():
            needed = widget.heightForWidth(widget.width())
            if needed > widget.height() + 1:
                found.append(f"{name}: {widget.text()!r} needs {needed} of {widget.height()} px of height")
            room = room_for_text(widget)
            needed = widget.fontMetrics().boundingRect(QRect(0, 0, room, 1), Qt.TextFlag.TextWordWrap, widget.text()).width()
            if needed > room + 1 and "<" not in widget.text():
                found.append(f"{name}: {widget.text()!r} has a word of {needed} px in {room} px")
        if isinstance(widget, QAbstractButton) and widget.text() and not _icon_only(widget):
            needed = _needed(widget)
            if needed > widget.width():
                found.append(f"{name}: {widget.text()!r} needs {needed} of {widget.width()} px")
        if isinstance(widget, QLineEdit) and widget.placeholderText() and not widget.text():
            needed = widget.fontMetrics().horizontalAdvance(widget.placeholderText()) + 2 * theme.SPACING
            if needed > widget.width():
                found.append(f"{name}: {widget.placeholderText()!r} needs {needed} of {widget.width()} px")
        if isinstance(widget, QTabBar):
            found += [f"{name}: {text!r} needs {needed} of {room} px" for text, needed, room in _cut_tabs(widget)]
        parent = widget.parentWidget()
        if parent is not None and not _scrolls(parent) and parent is not root.window():
            corner = widget.pos() + QPoint(widget.width() - 1, widget.height() - 1)
            if not parent.rect().contains(corner) and widget.focusPolicy() is not Qt.FocusPolicy.NoFocus:
                found.append(f"{name}: sticks out of {type(parent).__name__} {parent.objectName()}")
    return found


def outside(root: QWidget) -> list[str]:
    """Describe the texts and controls that lie outside the window, or to the side of where their scroll area scrolls."""
    found = []
    for widget in _seen(root):
        if not isinstance(widget, QLabel | QAbstractButton | QComboBox) or (isinstance(widget, QLabel) and not widget.text()):
            continue
        area = _area_above(widget)
        frame = area.viewport() if area is not None else widget.window()
        left = widget.mapTo(frame, QPoint(0, 0))
        right = left.x() + widget.width()
        below = left.y() + widget.height() > frame.height() or left.y() < 0
        if left.x() < 0 or right > frame.width() or (area is None and below):
            found.append(f"{_name(widget)}: {left.toTuple()} to {right} of {frame.size().toTuple()} px is outside")
    return found


def scrolling_in_scrolling(root: QWidget) -> list[str]:
    """Describe what can be scrolled up and down inside something that can be scrolled up and down as well."""
    found = []
    for area in _seen(root):
        if not isinstance(area, QAbstractScrollArea) or area.verticalScrollBar().maximum() == 0:
            continue
        above = _area_above(area)
        if above is not None and above.verticalScrollBar().maximum() > 0:
            found.append(f"{_name(area)}: scrolls inside {_name(above)}")
    return found


def without_rows(root: QWidget) -> list[str]:
    """Describe the tables and lists of which no row, or only one of several, is seen."""
    found = []
    for view in _seen(root):
        if not isinstance(view, QAbstractItemView) or isinstance(view, QHeaderView) or view.model() is None:
            continue
        rows = min(1 if _side_by_side(view) else ROWS, view.model().rowCount())
        needed = sum(_row_height(view, row) for row in range(rows))
        if needed > view.viewport().height() + 1:
            found.append(f"{_name(view)}: {rows} rows need {needed} of {view.viewport().height()} px of height")
    return found


def room_for_text(widget: QWidget) -> int:
    """The pixels of width that a label has for its text."""
    return widget.contentsRect().width()


def _cut_tabs(bar: QTabBar) -> Iterator[tuple[str, int, int]]:
    for at in range(bar.count()):
        if bar.isTabVisible(at):
            needed = bar.fontMetrics().horizontalAdvance(bar.tabText(at)) + PADDING
            room = bar.tabRect(at).width()
            if needed > room or bar.tabRect(at).right() > bar.width():
                yield bar.tabText(at), needed, room


def _needed(button: QAbstractButton) -> int:
    """The pixels of width of a button for its text, its icon and some of its padding."""
    if isinstance(button, QToolButton):
        return button.fontMetrics().horizontalAdvance(button.text()) + theme.SPACING
    return button.sizeHint().width() - theme.SPACING


def _side_by_side(view: QAbstractItemView) -> bool:
    return isinstance(view, QListView) and view.flow() is QListView.Flow.LeftToRight


def _row_height(view: QAbstractItemView, row: int) -> int:
    return view.rowHeight(row) if isinstance(view, QTableView) else view.visualRect(view.model().index(row, 0)).height()


def _seen(root: QWidget) -> Iterator[QWidget]:
    """Yield the visible widgets, without those that Qt makes itself."""
    for widget in root.findChildren(QWidget):
        if widget.isVisible() and not widget.objectName().startswith("qt_"):
            yield widget


def _name(widget: QWidget) -> str:
    return f"{type(widget).__name__} {widget.objectName()} {widget.accessibleName()}"


def _icon_only(button: QAbstractButton) -> bool:
    return isinstance(button, QToolButton) and button.toolButtonStyle() is Qt.ToolButtonStyle.ToolButtonIconOnly


def _scrolls(widget: QWidget) -> bool:
    """Whether the parent moves its children: a viewport, or something inside a scroll area."""
    above: QWidget | None = widget
    while above is not None:
        if isinstance(above, QScrollArea):
            return True
        above = above.parentWidget()
    return False


def _area_above(widget: QWidget) -> QAbstractScrollArea | None:
    above = widget.parentWidget()
    while above is not None and not isinstance(above, QAbstractScrollArea):
        above = None if above.isWindow() else above.parentWidget()
    return above
