"""The picture tab: a frame that no bundle looks at, with its own numbers and those under the cursor."""

from collections.abc import Set as AbstractSet

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QLabel, QPushButton, QWidget

from inspector.core.types import Answer, Frame, Inspection
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.shell import theme
from inspector.ui.tabs.base import AnalysisTab, caption
from inspector.ui.tabs.instrument.declared import is_grey


class PictureTab(AnalysisTab):
    """The frame as it is. Offered where there is no other view.

    `scale_wanted`: it is to be said what its grey values of 16 bits are in degrees.
    """

    scale_wanted = Signal()

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.whole_title, self.cursor_title = caption(QLabel()), caption(QLabel())
        self.names = {name: QLabel() for name in ("size", "depth", "range", "mean")}
        self.values = {name: QLabel() for name in self.names}
        self.cursor_value = QLabel("–")
        numbers = QFormLayout()
        for name, label in self.names.items():
            numbers.addRow(label, self.values[name])
        self.panel.addWidget(self.whole_title)
        self.panel.addLayout(numbers)
        self.panel.addWidget(self.cursor_title)
        self.panel.addWidget(self.cursor_value)
        self.degrees = QPushButton()
        self.degrees.setMinimumHeight(theme.TOUCH)
        self.degrees.clicked.connect(self.scale_wanted)
        self.panel.addWidget(self.degrees)
        self.panel.addStretch(1)
        self.canvas.hovered.connect(lambda _x, _y: self.cursor_value.setText(self.canvas.readout() or "–"))
        self.retranslate()

    @classmethod
    def applies(cls, answers: AbstractSet[type[Answer]], inspection: Inspection | None) -> bool:
        frames = inspection.frames.values() if inspection is not None else ()
        return not answers and not any(frame.unit == "kelvin" for frame in frames)

    def refresh(self) -> None:
        frame = self.frame()
        self.degrees.setVisible(self.inspection is not None and any(map(is_grey, self.inspection.frames.values())))
        for name, text in self._numbers(frame).items():
            self.values[name].setText(text)
            self.values[name].setAccessibleName(f"{self.names[name].text()}: {text}")

    def _numbers(self, frame: Frame | None) -> dict[str, str]:
        if frame is None:
            return dict.fromkeys(self.values, "–")
        pixels = frame.pixels
        kind = self.tr("temperatures") if frame.unit == "kelvin" else f"{frame.bits or pixels.dtype.itemsize * 8} bit"
        unit = " K" if frame.unit == "kelvin" else ""
        return {
            "size": f"{frame.width} × {frame.height} px",
            "depth": kind,
            "range": f"{float(np.nanmin(pixels)):.4g} … {float(np.nanmax(pixels)):.4g}{unit}",
            "mean": f"{float(np.nanmean(pixels)):.4g}{unit}",
        }

    def missing(self) -> str:
        return ""

    def _note(self) -> str:
        return ""

    def retranslate(self) -> None:
        super().retranslate()
        self.whole_title.setText(self.tr("The whole picture"))
        self.cursor_title.setText(self.tr("Under the cursor"))
        self.degrees.setText(self.tr("Grey values in degrees…"))
        self.degrees.setAccessibleName(self.degrees.text())
        texts = {
            "size": self.tr("Size"),
            "depth": self.tr("Depth"),
            "range": self.tr("Darkest, brightest"),
            "mean": self.tr("Mean"),
        }
        for name, text in texts.items():
            self.names[name].setText(text)
        self.refresh()
