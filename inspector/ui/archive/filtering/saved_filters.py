"""The filters that are kept under a name between runs."""

from dataclasses import replace

from PySide6.QtCore import QObject

from inspector.ui.archive.filtering.choice import saved_choice
from inspector.ui.archive.filtering.filter_panel import FilterPanel
from inspector.ui.shell.settings import Settings


class SavedFilters(QObject):
    """Saves, offers and shows them."""

    def __init__(self, panel: FilterPanel, settings: Settings) -> None:
        super().__init__(panel)
        self._panel, self._settings = panel, settings
        panel.saved.connect(self._save)
        panel.removed.connect(self._remove)
        panel.known.activated.connect(self._use)
        panel.set_saved(list(self._saved()))

    def _saved(self) -> dict[str, str]:
        pairs = (text.partition("\n") for text in self._settings.layout.filters)
        return {name: choice for name, _, choice in pairs}

    def _keep(self, saved: dict[str, str]) -> None:
        kept = tuple(f"{name}\n{choice}" for name, choice in saved.items())
        self._settings.remember(replace(self._settings.layout, filters=kept))
        self._panel.set_saved(list(saved))

    def _save(self, name: str) -> None:
        self._keep(self._saved() | {" ".join(name.split()): self._panel.choice.as_text()})

    def _remove(self, name: str) -> None:
        self._keep({known: choice for known, choice in self._saved().items() if known != name})

    def _use(self, _index: int) -> None:
        text = self._saved().get(self._panel.known.currentText())
        if text is not None:
            self._panel.show_choice(saved_choice(text), tell=True)
