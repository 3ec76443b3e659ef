"""Which inspections of the archive are meant."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Filters:
    """Which inspections are meant; None or "" for any. Times are UTC.

    `bundle`: fingerprint of a bundle, or its beginning. `rule`: quantity and class of the rule that decided. `score`: the value
    nearest to its limit. `corrected`: whether a person has said something of it. `simulated`: None for both.
    `part_begins`, `lot_begins`: how a part's id or a lot begins; `text`: how either does. `keys`: only these inspections, ()
    for any.
    """

    since: datetime | None = None
    until: datetime | None = None
    verdict: str = ""
    human_verdict: str = ""
    part: str = ""
    serial: str = ""
    material: str = ""
    lot: str = ""
    recipe: str = ""
    bundle: str = ""
    rule: str = ""
    class_name: str = ""
    shift: str = ""
    operator: str = ""
    station: str = ""
    quantity: str = ""
    margin_below: float | None = None
    margin_above: float | None = None
    score_below: float | None = None
    score_above: float | None = None
    brightness_below: float | None = None
    brightness_above: float | None = None
    text: str = ""
    part_begins: str = ""
    lot_begins: str = ""
    corrected: bool | None = None
    simulated: bool | None = None
    keys: tuple[int, ...] = ()

    def described(self) -> dict[str, Any]:
        """Return what was chosen, for reports and the audit trail."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in chosen.items()
            if value is not None and value not in ("", ())
        }
