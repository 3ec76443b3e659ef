"""Guessing from their names which classes show good parts."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

# What good parts are called, alone or as one word of several ("MT_Free", "good parts"), without spaces and signs.
_GOOD: Final = re.compile(
    "free|good|ok|okay|normal|pass|passed|accepted|healthy|clean|intact|undamaged|perfect|gut|io",
)
_WHOLE: Final = re.compile(  # "fine" beside another word tells how fine a defect is
    "fine(parts?)?|no(defect|defects|damage|fault|anomaly)(found)?|non(defect|defective)|defectfree|faultless|flawless"
)
_DENYING: Final = re.compile("not|no|non|un|ng|bad|nok|nio|abnormal|anomaly|anomalous")
_GOOD_JA: Final = ("良品", "正常", "合格", "良好", "異常なし", "異常無し", "欠陥なし", "欠陥無し", "無欠陥", "無傷", "優良")
_DENYING_JA: Final = ("不", "非", "異常あり", "欠陥あり")
_WORD: Final = re.compile(r"[^\W\d_]+")


def guess_good_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes whose names say that the part is good, in the given order; empty if no name, or every name, does."""
    found = tuple(name for name in classes if _sounds_good(name))
    return found if len(found) < len(classes) else ()


def _sounds_good(name: str) -> bool:
    plain = unicodedata.normalize("NFKC", name).casefold()
    if any(word in plain for word in _GOOD_JA) or plain == "良":
        return not any(word in plain for word in _DENYING_JA)
    words = _WORD.findall(plain)
    if _WHOLE.fullmatch("".join(words)):
        return True
    return any(map(_GOOD.fullmatch, words)) and not any(map(_DENYING.fullmatch, words))
