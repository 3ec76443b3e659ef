"""The tables. `result` is named after OPC 40100-1 (ResultDataType), so that a manufacturing execution system needs no mapping.

`record` is the ledger: every record of every journal, byte for byte, with its hash and seal. All other tables are read from it.
Keys are made of journal and sequence number, so that feeding a record twice changes nothing.
"""

import re
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_KEY: Final = BigInteger().with_variant(Integer(), "sqlite")  # there only INTEGER is the number of the row itself
_NAME: Final = Text().with_variant(Text(collation="C"), "postgresql")  # ordered by bytes: those with one beginning lie together
_JOURNAL: Final = re.compile("[0-9A-Za-z]{1,64}")
_SEQUENCE: Final = re.compile("[0-9]{1,12}")
_JOURNAL_BITS = 40  # of a key: records of one journal


def key_of(journal: int, sequence: int) -> int:
    """Return the key of a record. `journal`: the key of its journal."""
    return journal << _JOURNAL_BITS | sequence


def journal_of(key: int) -> int:
    """Return the key of the journal in the key of a record."""
    return key >> _JOURNAL_BITS


def sequence_of(key: int) -> int:
    """Return the sequence number in the key of a record."""
    return key & ((1 << _JOURNAL_BITS) - 1)


def result_id(journal: str, sequence: int) -> str:
    """Return the name of an inspection, the same in every database. `journal`: the name of its journal."""
    return f"{journal}-{sequence}"


def is_journal(name: str) -> bool:
    """Return whether this can be the name of a journal, and so of a folder in an evidence pack."""
    return _JOURNAL.fullmatch(name) is not None


def parse_result_id(text: str) -> tuple[str, int]:
    """Return the journal's name and the sequence number of an inspection's name. Raises ValueError."""
    journal, _, sequence = text.rpartition("-")
    if not is_journal(journal) or not _SEQUENCE.fullmatch(sequence):
        raise ValueError(f"{text[:80]!r} is not the id of an inspection")
    return journal, int(sequence)


class Base(DeclarativeBase):
    """Base of all tables."""


class SchemaVersion(Base):
    """The revision of the tables, where Alembic keeps it."""

    __tablename__ = "alembic_version"
    version_num: Mapped[str] = mapped_column(String(32), primary_key=True)


class JournalRow(Base):
    """A journal that is fed to this database. `fed`: sequence number of the next record to be fed.

    `pruned`: sequence number of the last record that retention deleted, with its hash, from which the chain goes on.
    """

    __tablename__ = "journal"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    public_key: Mapped[str] = mapped_column(String(64), default="")
    station: Mapped[str] = mapped_column(Text, default="")
    fed: Mapped[int] = mapped_column(BigInteger, default=1)
    pruned: Mapped[int] = mapped_column(BigInteger, default=0)
    pruned_digest: Mapped[bytes | None] = mapped_column(LargeBinary)


class RecordRow(Base):
    """A record of a journal as it was written and sealed."""

    __tablename__ = "record"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    seal: Mapped[bytes | None] = mapped_column(LargeBinary)


class RunRow(Base):
    """A run of a station, from start to stop. `ended` None: it runs, or was interrupted and not yet finished.

    `cause`: why it ended, "" if a person or the end of its source ended it.
    """

    __tablename__ = "run"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True, autoincrement=False)
    creation_time: Mapped[int] = mapped_column(BigInteger)
    ended: Mapped[int | None] = mapped_column(BigInteger)
    interrupted: Mapped[bool] = mapped_column(Boolean, default=False)
    station: Mapped[str] = mapped_column(Text, default="")
    line: Mapped[str] = mapped_column(Text, default="")
    shift: Mapped[str] = mapped_column(Text, default="")
    operator: Mapped[str] = mapped_column(Text, default="")
    lot: Mapped[str] = mapped_column(Text, default="")
    job_id: Mapped[str] = mapped_column(Text, default="")
    cause: Mapped[str] = mapped_column(Text, server_default="")


class ResultRow(Base):
    """An inspection. Times are microseconds since 1970 in UTC; `utc_offset` is the station's, in minutes.

    `verdict`: of the machine. `told`: what the line was told where that was another. `human_verdict`: of the last correction.
    `margin`: distance of the nearest value from its limit, as a share of the larger of both; `score`: that value.
    `category_id`: what the inspection is counted under.
    """

    __tablename__ = "result"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True, autoincrement=False)
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    result_state: Mapped[int] = mapped_column(SmallInteger)
    is_partial: Mapped[bool] = mapped_column(Boolean)
    is_simulated: Mapped[bool] = mapped_column(Boolean)
    creation_time: Mapped[int] = mapped_column(BigInteger)
    utc_offset: Mapped[int] = mapped_column(SmallInteger)
    monotonic: Mapped[float | None] = mapped_column(Float(53))
    part_id: Mapped[str] = mapped_column(_NAME)
    serial_number: Mapped[str] = mapped_column(Text, server_default="")  # this and the material: of the code on the part
    material: Mapped[str] = mapped_column(Text, server_default="")
    product_id: Mapped[str] = mapped_column(Text)  # name of the recipe
    recipe_version: Mapped[int] = mapped_column(Integer)
    internal_recipe_id: Mapped[str] = mapped_column(String(64))  # its SHA-256
    internal_configuration_id: Mapped[str] = mapped_column(Text)  # fingerprints of the bundles, joined by spaces
    job_id: Mapped[str] = mapped_column(Text)
    station: Mapped[str] = mapped_column(Text)
    line: Mapped[str] = mapped_column(Text)
    shift: Mapped[str] = mapped_column(Text)
    operator: Mapped[str] = mapped_column(Text)
    lot: Mapped[str] = mapped_column(_NAME)
    result_evaluation: Mapped[int] = mapped_column(SmallInteger)
    verdict: Mapped[str] = mapped_column(String(16))
    told: Mapped[str | None] = mapped_column(String(16))
    human_verdict: Mapped[str | None] = mapped_column(String(16))
    rule: Mapped[str] = mapped_column(Text)  # quantity and class of the rule that decided, "" for none
    class_name: Mapped[str] = mapped_column(Text, server_default="")  # the class alone
    reason: Mapped[str] = mapped_column(Text)
    margin: Mapped[float | None] = mapped_column(Float(53))
    score: Mapped[float | None] = mapped_column(Float(53))
    brightness: Mapped[float | None] = mapped_column(Float(53))
    latency_ms: Mapped[float | None] = mapped_column(Float(53))
    images: Mapped[int] = mapped_column(SmallInteger, default=0)
    category_id: Mapped[int] = mapped_column(BigInteger, server_default="0")


class CategoryRow(Base):
    """What inspections have in common that are counted together. `id`: hash of the other columns (`category_of`)."""

    __tablename__ = "category"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True, autoincrement=False)
    product_id: Mapped[str] = mapped_column(Text)
    internal_configuration_id: Mapped[str] = mapped_column(Text)
    station: Mapped[str] = mapped_column(Text)
    shift: Mapped[str] = mapped_column(Text)
    operator: Mapped[str] = mapped_column(Text)
    lot: Mapped[str] = mapped_column(_NAME)
    rule: Mapped[str] = mapped_column(Text)
    class_name: Mapped[str] = mapped_column(Text)
    is_simulated: Mapped[bool] = mapped_column(Boolean)


class TallyRow(Base):
    """How many inspections there are of a category in an hour, so that nobody counts a million rows.

    Kept in the transaction that changes `result`. `hour`: since 1970 in UTC. `human_verdict` "": nobody said anything.
    """

    __tablename__ = "tally"
    __table_args__ = ({"sqlite_with_rowid": False},)
    category_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    verdict: Mapped[str] = mapped_column(String(16), primary_key=True)
    human_verdict: Mapped[str] = mapped_column(String(16), primary_key=True)
    hour: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)  # last: hours are added up in order
    number: Mapped[int] = mapped_column(BigInteger)


class RejudgementRow(Base):
    """A selection that is judged again with another recipe. `recipe`: hash of its text in `document`, as `bundles` there.

    `last`: newest inspection of the selection when it began, so that it stays the same when it goes on.
    """

    __tablename__ = "rejudgement"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # hash of what was asked for
    creation_time: Mapped[int] = mapped_column(BigInteger)
    who: Mapped[str] = mapped_column(Text)
    selection: Mapped[str] = mapped_column(Text)  # JSON
    recipe: Mapped[str] = mapped_column(String(64))
    bundles: Mapped[str] = mapped_column(Text)
    last: Mapped[int] = mapped_column(BigInteger)
    ended: Mapped[int | None] = mapped_column(BigInteger)


class RejudgedRow(Base):
    """What a rejudgement said of one inspection. `verdict` "": its images could not be judged, for `reason`."""

    __tablename__ = "rejudged"
    __table_args__ = ({"sqlite_with_rowid": False},)
    rejudgement_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    result_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    verdict: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    margin: Mapped[float | None] = mapped_column(Float(53))


class JudgementRow(Base):
    """A rule's value, limit and verdict, whether it fired or not. `value` None: it could not be measured.

    `compared`: what the limit holds for, which is the value or its difference to the last good parts; None if that is unknown.
    `wrong`: whether the class is a bad one.
    """

    __tablename__ = "judgement"
    __table_args__ = ({"sqlite_with_rowid": False},)  # rows lie in the order of their inspections
    result_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("result.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    rule: Mapped[int] = mapped_column(SmallInteger)
    bundle: Mapped[str] = mapped_column(Text)
    camera: Mapped[str] = mapped_column(Text)
    quantity: Mapped[str] = mapped_column(String(32))
    class_name: Mapped[str] = mapped_column(Text)
    wrong: Mapped[bool] = mapped_column(Boolean)
    value: Mapped[float | None] = mapped_column(Float(53))
    compared: Mapped[float | None] = mapped_column(Float(53))
    above: Mapped[bool] = mapped_column(Boolean)
    limit: Mapped[float] = mapped_column(Float(53))
    verdict: Mapped[str] = mapped_column(String(16))


class ImageRow(Base):
    """An image file. `deleted`: when retention deleted it. There may be no result: its record can be lost or damaged."""

    __tablename__ = "image"
    __table_args__ = ({"sqlite_with_rowid": False},)  # rows lie in the order of their inspections
    result_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    camera: Mapped[str] = mapped_column(Text, primary_key=True)
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    keeps: Mapped[str] = mapped_column(String(16))
    codec: Mapped[str] = mapped_column(String(16))
    creation_time: Mapped[int] = mapped_column(BigInteger)
    deleted: Mapped[int | None] = mapped_column(BigInteger)


class HeatRow(Base):
    """Which record has the heat maps of an inspection. `id`: of that record."""

    __tablename__ = "heat"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True, autoincrement=False)
    result_id: Mapped[int] = mapped_column(BigInteger, index=True)


class DocumentRow(Base):
    """A recipe or a bundle's card, once, by its hash."""

    __tablename__ = "document"
    digest: Mapped[str] = mapped_column(String(128), primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class ConfigurationRow(Base):
    """The bundles that judged together, as `result.internal_configuration_id`; few, so that a bundle is found fast."""

    __tablename__ = "configuration"
    id: Mapped[str] = mapped_column(Text, primary_key=True)


class GapRow(Base):
    """Sequence numbers of a journal without a record. `damaged`: there was one, and it cannot be read."""

    __tablename__ = "gap"
    journal_id: Mapped[int] = mapped_column(Integer, ForeignKey("journal.id"), primary_key=True)
    first: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
    damaged: Mapped[bool] = mapped_column(Boolean)


class CorrectionRow(Base):
    """What a person said of an inspection. `undone`: key of the record that took it back."""

    __tablename__ = "correction"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True, autoincrement=False)
    result_id: Mapped[int] = mapped_column(BigInteger)
    creation_time: Mapped[int] = mapped_column(BigInteger)
    who: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str | None] = mapped_column(String(16))
    class_name: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    undone: Mapped[int | None] = mapped_column(BigInteger)


class EventRow(Base):
    """The audit trail: who did what, and when."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(_KEY, primary_key=True, autoincrement=False)
    creation_time: Mapped[int] = mapped_column(BigInteger)
    what: Mapped[str] = mapped_column(String(32))
    who: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)  # JSON


class HoldRow(Base):
    """A lot of which nothing is deleted."""

    __tablename__ = "hold"
    lot: Mapped[str] = mapped_column(_NAME, primary_key=True)
    who: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    creation_time: Mapped[int] = mapped_column(BigInteger)


# Pages are in the order of time: one index for each filter, with the time behind it.
for _name in ("product_id", "internal_configuration_id", "lot", "shift", "operator", "rule", "class_name", "verdict"):
    Index(f"ix_result_{_name}", getattr(ResultRow, _name), ResultRow.creation_time)
Index("ix_result_serial_number", ResultRow.serial_number)
# Ranges are counted, and their newest are found, in their index alone.
_COUNTED = ResultRow.category_id, ResultRow.verdict, ResultRow.human_verdict
Index("ix_result_creation_time", ResultRow.creation_time, *_COUNTED)
for _name in ("part_id", "margin", "score", "brightness"):
    Index(f"ix_result_{_name}", getattr(ResultRow, _name), ResultRow.creation_time, *_COUNTED)
_CORRECTED = ResultRow.human_verdict.is_not(None)
Index("ix_result_corrected", ResultRow.creation_time, sqlite_where=_CORRECTED, postgresql_where=_CORRECTED)
_FIRED = JudgementRow.verdict.in_(("NG", "REVIEW"))
Index("ix_judgement_fired", JudgementRow.quantity, JudgementRow.result_id, sqlite_where=_FIRED, postgresql_where=_FIRED)
Index("ix_image_age", ImageRow.deleted, ImageRow.keeps, ImageRow.creation_time)
Index("ix_correction_result", CorrectionRow.result_id)

Row = dict[str, Any]
