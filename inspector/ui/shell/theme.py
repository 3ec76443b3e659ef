"""The one palette file: colours, spacing, type sizes and icons, light and dark.

Widgets name what they want (`color("ok")`, `SPACING`, `font("title")`) and repaint on `is_theme_change(event)`.
Verdict and class colours are the Okabe-Ito set, which people with any colour vision can tell apart
(M. Okabe, K. Ito: Color Universal Design, 2008).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import Template
from types import MappingProxyType
from typing import Final, Literal

from PySide6.QtCore import QByteArray, QEvent, QObject, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QWidget

from inspector.core.storage.paths import resources
from inspector.core.verdict import Verdict

Choice = Literal["light", "dark", "system"]
Size = Literal["small", "body", "title"]

SPACING: Final = 8  # every gap and margin is a multiple of this, in device-independent pixels
TOUCH: Final = 44  # minimum side of a pressable widget
ICON: Final = 24
RAIL: Final = 104
RADIUS: Final = 8
FAMILY: Final = "Noto Sans CJK JP"
PIXELS: Final[Mapping[Size, int]] = MappingProxyType({"small": 13, "body": 15, "title": 22})

_OKABE_ITO: Final = MappingProxyType(
    {
        "black": "#000000",
        "orange": "#e69f00",
        "sky": "#56b4e9",
        "green": "#009e73",
        "yellow": "#f0e442",
        "blue": "#0072b2",
        "vermillion": "#d55e00",
        "purple": "#cc79a7",
    }
)
# Colours by class index, repeated. Vermillion first: the first class is usually the most important defect.
_CLASSES: Final = tuple(_OKABE_ITO[key] for key in ("vermillion", "sky", "yellow", "purple", "orange", "green", "blue"))
# Curve colours by the theme's brightness: yellow is invisible on white, the darker blue on black.
_SERIES: Final = {
    "light": tuple(_OKABE_ITO[key] for key in ("blue", "vermillion", "green", "purple", "orange", "sky", "black")),
    "dark": tuple(_OKABE_ITO[key] for key in ("sky", "orange", "green", "purple", "yellow", "vermillion", "blue")),
}

_VERDICTS: Final = {
    "ok": _OKABE_ITO["green"],
    "on_ok": "#ffffff",
    "ng": _OKABE_ITO["vermillion"],
    "on_ng": "#ffffff",
    "review": _OKABE_ITO["yellow"],
    "on_review": "#1b1b1b",
    "not_inspected": _OKABE_ITO["blue"],
    "on_not_inspected": "#ffffff",
    "held": _OKABE_ITO["purple"],  # a part that is kept on screen while the line goes on
    "on_held": "#1b1b1b",
    "simulation": _OKABE_ITO["yellow"],
    "on_simulation": "#1b1b1b",
}

_LIGHT: Final = {
    "window": "#f3f5f7",
    "surface": "#ffffff",
    "raised": "#e9edf1",
    "hover": "#dde3e9",
    "pressed": "#cdd6de",
    "border": "#c9d1d9",
    "text": "#1a2129",
    "muted": "#55616d",
    "disabled": "#98a3ad",
    "accent": "#005fa3",
    "on_accent": "#ffffff",
    "accent_hover": "#004f88",
    "rail": "#22303d",
    "on_rail": "#dbe3ea",
    "rail_hover": "#2f4152",
    "idle": "#dfe5ea",
    "on_idle": "#55616d",
    "canvas": "#dfe4e8",
    "banner": "#fdeedd",
    "on_banner": "#4a2a00",
    "banner_border": "#d55e00",
    "veil": "#a0f3f5f7",
} | _VERDICTS

_DARK: Final = {
    "window": "#14191e",
    "surface": "#1c2329",
    "raised": "#28313a",
    "hover": "#333e49",
    "pressed": "#3e4b58",
    "border": "#36424d",
    "text": "#e8edf1",
    "muted": "#9fadb9",
    "disabled": "#62707c",
    "accent": "#56b4e9",
    "on_accent": "#0c1a24",
    "accent_hover": "#7cc6ef",
    "rail": "#0d1115",
    "on_rail": "#b9c5cf",
    "rail_hover": "#1f2830",
    "idle": "#28313a",
    "on_idle": "#9fadb9",
    "canvas": "#0b0e11",
    "banner": "#3a2413",
    "on_banner": "#ffe3c7",
    "banner_border": "#d55e00",
    "veil": "#a014191e",
} | _VERDICTS


@dataclass(frozen=True, slots=True)
class Theme:
    """A named set of colours."""

    name: Literal["light", "dark"]
    colors: Mapping[str, str]

    def color(self, name: str) -> QColor:
        """Return the colour called `name`; KeyError if there is none."""
        return QColor(self.colors[name])

    def verdict(self, verdict: Verdict) -> QColor:
        return self.color(verdict.value.lower())

    def on_verdict(self, verdict: Verdict) -> QColor:
        """Return the colour of text and symbols on `verdict()`."""
        return self.color(f"on_{verdict.value.lower()}")

    def class_color(self, index: int) -> QColor:
        """Return the overlay colour of a class, the same in every view."""
        return QColor(_CLASSES[index % len(_CLASSES)])

    def series_color(self, index: int) -> QColor:
        """Return the colour of a curve in a chart."""
        colors = _SERIES[self.name]
        return QColor(colors[index % len(colors)])


LIGHT: Final = Theme("light", MappingProxyType(_LIGHT))
DARK: Final = Theme("dark", MappingProxyType(_DARK))

_state: dict[str, Theme] = {"current": LIGHT}


def current() -> Theme:
    """Return the current theme."""
    return _state["current"]


def choose(choice: Choice) -> Theme:
    """Return the theme for a choice; "system" follows the desktop."""
    if choice == "system":
        return DARK if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else LIGHT
    return DARK if choice == "dark" else LIGHT


def apply(app: QApplication, choice: Choice) -> None:
    """Apply a theme to the whole program.

    Every visible widget then gets an event for which `is_theme_change` is true, a hidden one as soon as it is shown.
    """
    theme = choose(choice)
    _state["current"] = theme
    if not app.styleSheet():
        app.setStyle("Fusion")  # the only style that looks the same on every desktop; set once, because it styles all anew
        app.setFont(font("body"))
        app.setPalette(_palette(theme))
        app.setStyleSheet(style_sheet(theme))
        return
    app.setPalette(_palette(theme))
    app.style().unpolish(app)  # else Qt styles every widget anew with the next line, and most are on hidden pages
    app.setStyleSheet(style_sheet(theme))
    restyling = app.findChild(_Restyling) or _Restyling(app)
    for window in app.topLevelWidgets():
        restyling.restyle(window)


class _Restyling(QObject):
    """Styles visible widgets at once and each hidden one when it is shown, after a change of the style sheet."""

    def restyle(self, widget: QWidget) -> None:
        """Style this widget and its children; the hidden ones wait for their Show event."""
        if widget.isHidden():
            widget.installEventFilter(self)
            return
        widget.style().polish(widget)
        QApplication.sendEvent(widget, QEvent(QEvent.Type.StyleChange))
        for child in widget.children():
            if isinstance(child, QWidget) and not child.isWindow():
                self.restyle(child)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and isinstance(watched, QWidget):
            watched.removeEventFilter(self)
            self.restyle(watched)
        return False


def is_theme_change(event: QEvent) -> bool:
    """Return whether a `changeEvent` says that the colours have changed."""
    return event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange)


def set_role(widget: QWidget, role: str) -> None:
    """Give a widget another role of the style sheet, and its look."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)
        QApplication.sendEvent(widget, QEvent(QEvent.Type.StyleChange))  # else a label keeps the margins of its earlier role


def font(size: Size = "body", *, bold: bool = False) -> QFont:
    """Return one of the three type sizes as a font."""
    made = QFont(FAMILY)
    made.setPixelSize(PIXELS[size])
    made.setWeight(QFont.Weight.Bold if bold else QFont.Weight.Normal)
    return made


@lru_cache(maxsize=1)
def load_fonts() -> tuple[str, ...]:
    """Register the shipped fonts and return their families. Needs the application; call once a process."""
    families: list[str] = []
    for path in sorted((resources() / "fonts").glob("*.[ot]tf")):
        families += QFontDatabase.applicationFontFamilies(QFontDatabase.addApplicationFont(str(path)))
    return tuple(families)


def icon(name: str, color: str = "text") -> QIcon:
    """Return the shipped icon `name` in the theme's colour `color`. Request it again after a theme change."""
    made = QIcon(_pixmap(name, current().colors[color], ICON * 4))
    made.addPixmap(_pixmap(name, current().colors["disabled"], ICON * 4), QIcon.Mode.Disabled)
    return made


@lru_cache(maxsize=256)
def _pixmap(name: str, color: str, side: int) -> QPixmap:
    source = (resources() / "icons" / f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", color)
    picture = QPixmap(QSize(side, side))
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    QSvgRenderer(QByteArray(source.encode())).render(painter, QRectF(0, 0, side, side))
    painter.end()
    return picture


def _palette(theme: Theme) -> QPalette:
    roles = {
        QPalette.ColorRole.Window: "window",
        QPalette.ColorRole.WindowText: "text",
        QPalette.ColorRole.Base: "surface",
        QPalette.ColorRole.AlternateBase: "raised",
        QPalette.ColorRole.Text: "text",
        QPalette.ColorRole.Button: "raised",
        QPalette.ColorRole.ButtonText: "text",
        QPalette.ColorRole.ToolTipBase: "surface",
        QPalette.ColorRole.ToolTipText: "text",
        QPalette.ColorRole.PlaceholderText: "muted",
        QPalette.ColorRole.Highlight: "accent",
        QPalette.ColorRole.HighlightedText: "on_accent",
        QPalette.ColorRole.Link: "accent",
    }
    palette = QPalette()
    for role, name in roles.items():
        palette.setColor(role, theme.color(name))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, theme.color("disabled"))
    return palette


def style_sheet(theme: Theme) -> str:
    """Return the program's style sheet: `resources/style.qss` with this theme's colours and sizes."""
    template = Template((resources() / "style.qss").read_text(encoding="utf-8"))
    sizes = {
        "space": SPACING,
        "touch": TOUCH,
        "inner": TOUCH - 2,  # a bordered control is this high inside its border
        "icon": ICON,
        "rail_width": RAIL,
        "radius": RADIUS,
        "chevron": (resources() / "icons" / f"chevron-{theme.name}.svg").as_posix(),
        "check": (resources() / "icons" / f"check-{theme.name}.svg").as_posix(),
    }
    pixels = {f"px_{name}": value for name, value in PIXELS.items()}
    return template.substitute(theme.colors, **sizes, **pixels, family=FAMILY)
