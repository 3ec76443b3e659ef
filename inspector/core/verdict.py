"""The four verdicts and their order of severity. No numpy: the window names them before anything heavy is loaded."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Verdict(StrEnum):
    """The station's verdict on a part. Only OK lets a part pass."""

    OK = "OK"
    REVIEW = "REVIEW"
    NOT_INSPECTED = "NOT_INSPECTED"
    NG = "NG"


# A defect that was seen stands whatever else went wrong; a part nobody judged is worse than a doubtful one.
SEVERITY: Mapping[Verdict, int] = MappingProxyType({Verdict.OK: 0, Verdict.REVIEW: 1, Verdict.NOT_INSPECTED: 2, Verdict.NG: 3})
