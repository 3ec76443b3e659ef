"""The journal: durable before anyone is told, whole after every end, and no gap closed silently."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from inspector.archive.archive import opened_archive
from inspector.archive.contents import event_content, opened_content, recorded_in, result_content
from inspector.archive.filters import Filters
from inspector.archive.keys import StationKey
from inspector.archive.recording.interrupted import finish_interrupted
from inspector.archive.recording.journal import JOURNALS, ROOM_BYTES, Journal, idle_journals, journal_folders, open_journal
from inspector.archive.recording.segment import NOTICE, JournalRecord, chained, frame, genesis, sealed_text
from inspector.archive.recording.segments import JournalReader, Missing, read_tail, segment_files
from inspector.archive.store.query import events, every
from inspector.bench.archiving.kill import made_inspection
from inspector.cameras.ledger import RecordKey
from inspector.core.ed25519 import signed_by
from inspector.core.errors import StorageError
from tests.disks import disk_of


def _wait(journal: Journal, sequence: int, seconds: float = 10.0) -> bool:
    return journal.wait(sequence, time.monotonic() + seconds)


def _durable(journal: Journal, sequence: int) -> None:
    """Wait for a record through the failures before it."""
    until = time.monotonic() + 20
    while journal.durable < sequence:
        assert time.monotonic() < until, journal.problem
        journal.wait(sequence, time.monotonic() + 0.05)


def _read(folder: Path) -> list[JournalRecord | Missing]:
    return list(JournalReader(folder, 1).read())


def _sequences(folder: Path) -> list[int]:
    found = _read(folder)
    assert all(isinstance(item, JournalRecord) for item in found)
    return [item.sequence for item in found if isinstance(item, JournalRecord)]


def _written(folder: Path, count: int) -> Journal:
    journal = open_journal(folder, StationKey(folder))
    for number in range(count):
        assert _wait(journal, journal.submit({"kind": "event", "what": "test", "number": number, "text": "ü" * 20}))
    journal.close()
    return journal


def test_records_are_on_disk_when_waited_for_chained_and_sealed_by_the_station(tmp_path: Path) -> None:
    key = StationKey(tmp_path)
    journal = open_journal(tmp_path, key)
    for number in range(5):
        sequence = journal.submit({"kind": "event", "number": number})
        assert sequence == number + 1
        assert _wait(journal, sequence)
        assert _sequences(journal.folder)[-1] == sequence  # in the file already, while the journal is open
    others = [journal.submit({"kind": "event", "number": number}) for number in range(200)]  # one or two commits
    assert _wait(journal, others[-1])
    second = open_journal(tmp_path, StationKey(tmp_path))
    assert second.id != journal.id, "two stations never share a journal"
    second.close()
    journal.close()
    before, seals = genesis(journal.id), 0
    for record in _read(journal.folder):
        assert isinstance(record, JournalRecord)
        assert record.digest == chained(before, record.sequence, record.payload)
        if record.seal:
            seals += 1
            assert signed_by(key.public, sealed_text(journal.id, record.sequence, record.digest), record.seal)
        before = record.digest
    assert record.seal, "the last record is sealed"
    assert 6 <= seals < 100, "what was committed together has one seal"
    assert (tmp_path / "station.key").stat().st_mode & 0o077 == 0 or os.name == "nt"


def test_cut_at_every_byte_of_its_last_records_it_goes_on_behind_what_is_whole(tmp_path: Path) -> None:
    journal = _written(tmp_path / "whole", 6)
    (segment,) = segment_files(journal.folder)
    data = segment.read_bytes()
    ends = [0]
    header = data.index(b'"number": 0') - 200
    for record in _read(journal.folder):
        assert isinstance(record, JournalRecord)
        ends.append(data.index(record.payload) + len(record.payload))
    assert ends[-1] == len(data)
    folder = tmp_path / "cut" / journal.id
    folder.mkdir(parents=True)
    cut_file = folder / segment.name
    for cut in range(ends[3], len(data) + 1):
        cut_file.write_bytes(data[:cut])
        whole = max(number for number, end in enumerate(ends) if end <= cut)
        assert read_tail(folder).sequence == whole, cut
        assert cut_file.stat().st_size == ends[whole], "what was half written is cut off"
    for cut in (ends[4] + 1, ends[5] - 1, len(data), header // 2):  # the last one: not even the header is whole
        for left in folder.iterdir():
            left.unlink()
        cut_file.write_bytes(data[:cut])
        again = Journal(folder, StationKey(tmp_path / "whole"))
        new = again.submit({"kind": "event", "number": 99})
        assert _wait(again, new)
        again.close()
        assert _sequences(folder) == list(range(1, new + 1))
        before = genesis(journal.id)
        for record in _read(folder):
            assert isinstance(record, JournalRecord)
            assert record.digest == chained(before, record.sequence, record.payload)
            before = record.digest


def _ends(folder: Path) -> Iterator[int]:
    """Yield the ends of the records of a journal's only segment, in bytes."""
    (segment,) = segment_files(folder)
    data, end = segment.read_bytes(), 0
    for record in _read(folder):
        assert isinstance(record, JournalRecord)
        end = data.index(record.payload, end) + len(record.payload)
        yield end


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="room is made by pwrite")
def test_room_for_records_is_made_before_and_cut_off_after(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, StationKey(tmp_path))
    assert _wait(journal, journal.submit({"kind": "event"}))
    (segment,) = segment_files(journal.folder)
    until = time.monotonic() + 20
    while (size := segment.stat().st_size) < ROOM_BYTES:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert _wait(journal, journal.submit({"kind": "event"}))
    assert segment.stat().st_size == size
    assert _sequences(journal.folder) == [1, 2]
    killed = shutil.copytree(journal.folder, tmp_path / "killed" / journal.id)
    assert read_tail(killed).sequence == 2
    journal.close()
    (_, end) = _ends(journal.folder)
    assert segment.stat().st_size == (killed / segment.name).stat().st_size == end


def test_a_commit_that_the_disk_wrote_only_in_part_is_cut_off_before_the_hole(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "whole", StationKey(tmp_path / "whole"))
    assert _wait(journal, journal.submit({"kind": "event", "number": 0}))
    last = journal.submit_all([({"kind": "event", "number": number, "text": "x" * 900}, None) for number in range(1, 9)])[-1]
    assert _wait(journal, last)
    journal.close()
    (segment,) = segment_files(journal.folder)
    data, ends = segment.read_bytes(), [0, *_ends(journal.folder)]
    folder = tmp_path / "cut" / journal.id
    for place in range(-(-ends[1] // 512) * 512, len(data) - 512, 512):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / segment.name).write_bytes(data[:place] + bytes(512) + data[place + 512 :] + bytes(4096))
        whole = max(number for number, end in enumerate(ends) if end <= place)
        again = Journal(folder, StationKey(tmp_path / "whole"))
        assert _wait(again, again.submit({"kind": "event"}))
        again.close()
        assert _sequences(folder) == list(range(1, whole + 2)), place


def test_a_hole_in_a_commit_that_was_told_cuts_nothing_off(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, StationKey(tmp_path))
    for number in range(4):
        assert _wait(journal, journal.submit({"kind": "event", "number": number, "text": "x" * 2000}))
    journal.close()
    (segment,) = segment_files(journal.folder)
    data, ends = segment.read_bytes(), [0, *_ends(journal.folder)]
    place = -(-(ends[1] + 200) // 512) * 512
    segment.write_bytes(data[:place] + bytes(512) + data[place + 512 :])
    assert read_tail(journal.folder).sequence == 4
    found = [item if isinstance(item, Missing) else item.sequence for item in _read(journal.folder)]
    assert found == [1, Missing(2, 2, damaged=True), 3, 4]


def test_a_reader_beside_the_writer_takes_nothing_half_written_for_damage(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, StationKey(tmp_path))
    records: list[tuple[dict[str, object], None]] = [({"kind": "event", "text": "x" * 3000}, None)] * 50

    def write() -> None:
        for _ in range(40):
            assert _wait(journal, journal.submit_all(records)[-1], 60)

    writer = threading.Thread(target=write)
    writer.start()
    reader = JournalReader(journal.folder, 1)
    found: list[JournalRecord | Missing] = []
    until = time.monotonic() + 120
    while len(found) < 2000 and time.monotonic() < until:
        found += reader.read()
    writer.join()
    journal.close()
    assert [item.sequence if isinstance(item, JournalRecord) else item for item in found] == list(range(1, 2001))


def test_a_damaged_record_is_shown_as_a_gap_and_hides_no_other(tmp_path: Path) -> None:
    journal = _written(tmp_path, 6)
    (segment,) = segment_files(journal.folder)
    data = bytearray(segment.read_bytes())
    data[data.index(b'"number": 2') + 3] ^= 1
    data[data.index(b'"number": 3') + 3] ^= 1
    segment.write_bytes(data)
    found = [item if isinstance(item, Missing) else item.sequence for item in _read(journal.folder)]
    assert found == [1, 2, Missing(3, 4, damaged=True), 5, 6]
    again = Journal(journal.folder, StationKey(tmp_path))
    assert _wait(again, again.submit({"kind": "event"}))
    again.close()
    assert [item.sequence for item in _read(journal.folder) if isinstance(item, JournalRecord)] == [1, 2, 5, 6, 7]


def test_a_reader_stops_and_goes_on_anywhere_also_at_a_gap_and_over_segments(tmp_path: Path) -> None:
    journal = _written(tmp_path, 3)
    for number in range(3):
        again = Journal(journal.folder, StationKey(tmp_path))  # each opening begins a segment
        assert _wait(again, again.submit({"kind": "event", "number": 10 + number}))
        again.close()
    assert len(segment_files(journal.folder)) == 4
    segment_files(journal.folder)[1].unlink()
    whole = [1, 2, 3, Missing(4, 4, damaged=False), 5, 6]
    assert [item if isinstance(item, Missing) else item.sequence for item in _read(journal.folder)] == whole
    reader = JournalReader(journal.folder, 1)
    found = [item for _ in range(8) for item in islice(reader.read(), 1)]
    assert [item if isinstance(item, Missing) else item.sequence for item in found] == whole


def test_on_a_full_disk_records_use_the_space_kept_back_then_wait_and_none_is_lost(tmp_path: Path) -> None:
    with disk_of(tmp_path / "disk", "2m") as disk:
        journal = open_journal(disk, StationKey(disk))
        assert _wait(journal, journal.submit({"kind": "event"}))
        with (disk / "ballast").open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                stream.write(bytes(4096))
        content = {"kind": "event", "text": "x" * 3000}
        first = journal.submit(content)
        _durable(journal, first)  # from what was kept back
        sequences = [journal.submit(content) for _ in range(400)]  # more than that
        assert not _wait(journal, sequences[-1])
        assert journal.problem is not None
        assert "No space left" in str(journal.problem)
        assert journal.waiting
        (disk / "ballast").unlink()
        _durable(journal, sequences[-1])
        assert journal.problem is None
        assert journal.lost == 0
        journal.close()
        assert _sequences(journal.folder) == list(range(1, sequences[-1] + 1))


def test_after_a_failed_fsync_the_records_are_written_again_elsewhere(tmp_path: Path) -> None:
    """What a disk has of a file after an error is not known: even a later success says nothing of the pages before."""
    fails = threading.Event()

    def durable(file: int) -> None:
        if fails.is_set():
            fails.clear()
            raise OSError(5, "Input/output error")
        os.fsync(file)

    journal = open_journal(tmp_path, StationKey(tmp_path), durable=durable)
    assert _wait(journal, journal.submit({"kind": "event", "number": 1}))
    fails.set()
    second = journal.submit({"kind": "event", "number": 2})
    assert not _wait(journal, second)
    _durable(journal, second)
    journal.close()
    assert len(segment_files(journal.folder)) == 2
    assert _sequences(journal.folder) == [1, 2]


def test_a_record_that_found_no_room_is_never_said_to_be_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.archive.recording.journal.MOST_WAITING", 300)
    answers = threading.Event()

    def durable(file: int) -> None:
        answers.wait(20)
        os.fsync(file)

    journal = open_journal(tmp_path, StationKey(tmp_path), durable=durable)
    first, lost = (journal.submit({"kind": "event", "text": "x" * 200}) for _ in range(2))
    answers.set()
    assert _wait(journal, first)
    after = journal.submit({"kind": "event"})
    assert _wait(journal, after)
    assert not _wait(journal, lost), "later ones are on disk, this one is not"
    with pytest.raises(StorageError, match="1 record could not be written"):
        journal.close()
    assert [item if isinstance(item, Missing) else item.sequence for item in _read(journal.folder)] == [
        first,
        Missing(lost, lost, damaged=False),
        after,
    ]


def test_the_last_records_use_the_space_kept_back_too(tmp_path: Path) -> None:
    closes, fails = threading.Event(), threading.Event()

    def durable(file: int) -> None:
        if fails.is_set():
            closes.wait(20)
            fails.clear()
            raise OSError(28, "No space left on device")
        os.fsync(file)

    journal = open_journal(tmp_path, StationKey(tmp_path), durable=durable)
    assert _wait(journal, journal.submit({"kind": "event"}))
    fails.set()
    journal.submit({"kind": "run_ended"})
    threading.Timer(0.3, closes.set).start()
    journal.close()
    assert _sequences(journal.folder) == [1, 2]


def test_a_part_is_found_among_the_last_records_behind_what_cannot_be_read(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, StationKey(tmp_path))
    made = made_inspection(4, part="P4")
    journal.submit({"kind": "result", "run_sequence": 3})
    journal.submit(result_content(made, keeps=""))
    journal.close()
    known, unknown = (RecordKey(str(journal.folder), number, made.utc.isoformat()) for number in (4, 5))
    assert recorded_in(journal.folder, [known, unknown]) == {known}
    (segment,) = segment_files(journal.folder)
    data = bytearray(segment.read_bytes())
    data[60] ^= 1  # in the segment's header
    segment.write_bytes(data)
    assert recorded_in(journal.folder, [known, unknown]) == {known}


def test_what_was_under_way_at_a_crash_is_recorded_as_interrupted(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, StationKey(tmp_path))
    journal.submit({"kind": "run", "recipe": "plates", "is_simulated": True})
    for part in range(4):
        journal.opened(part, opened_content(f"P{part}"))
    journal.submit({"kind": "result", "run_sequence": 1}, settles=1)
    journal.forgotten(2)
    assert _wait(journal, journal.submit({"kind": "event"}))
    crashed = {path: path.read_bytes() for path in segment_files(journal.folder)}  # as if the process had ended here
    journal.close()
    for path, data in crashed.items():
        path.write_bytes(data)
    (again,) = idle_journals(tmp_path, StationKey(tmp_path))
    assert finish_interrupted(again) == 2
    again.close()
    records = [item.content for item in _read(journal.folder) if isinstance(item, JournalRecord)]
    left = [record for record in records if record.get("result_state") == 3]
    assert [(record["part_id"], record["verdict"]) for record in left] == [("P0", "NOT_INSPECTED"), ("P3", "NOT_INSPECTED")]
    assert "interrupted" in left[0]["reasons"][0]["template"]
    assert left[0]["is_simulated"], "a simulated line's parts are none of a real one"
    assert (records[-1]["kind"], records[-1]["interrupted"]) == ("run_ended", True)
    (third,) = idle_journals(tmp_path, StationKey(tmp_path))
    assert finish_interrupted(third) == 0, "said once"
    third.close()


def test_who_writes_to_the_journal_of_a_line_that_crashed_meanwhile_records_its_parts_first(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    with opened_archive(tmp_path / "archive") as opened:
        line = open_journal(opened.folder, StationKey(opened.folder))
        line.submit({"kind": "run", "recipe": "plates"})
        line.opened(0, opened_content("P0"))
        assert _wait(line, line.submit({"kind": "event"}))
        crashed = {path: path.read_bytes() for path in segment_files(line.folder)}  # as if the line's process had ended here
        line.close()
        for path, data in crashed.items():
            path.write_bytes(data)
        opened.write(event_content("hold", who="Ann", lot="L1", reason="complaint"))
    with opened_archive(tmp_path / "archive") as opened:
        (row,) = every(opened.database, Filters())
        assert (row["part_id"], row["verdict"], row["is_partial"]) == ("P0", "NOT_INSPECTED", True)


def test_a_station_goes_on_in_a_new_journal_where_its_own_was_restored_from_a_backup(tmp_path: Path) -> None:
    """A database that was not restored knows records whose numbers would come again: it would never take those."""
    archive, copy = tmp_path / "archive", tmp_path / "copy"
    archive.mkdir()
    with opened_archive(archive) as opened:
        opened.write(event_content("before", who="Ann"))
        shutil.copytree(archive / JOURNALS, copy, copy_function=shutil.copy2)
        opened.write(event_content("known to the database", who="Ann"))
    shutil.rmtree(archive / JOURNALS)
    shutil.copytree(copy, archive / JOURNALS, copy_function=shutil.copy2)
    with opened_archive(archive) as opened:
        opened.write(event_content("after", who="Ann"))
        told = [one["what"] for one in events(opened.database)]
    assert sorted(told) == ["after", "before", "known to the database"]
    assert len(journal_folders(archive)) == 2


def test_the_parts_under_way_follow_into_a_new_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.archive.recording.journal.SEGMENT_BYTES", 2000)
    journal = open_journal(tmp_path, StationKey(tmp_path))
    journal.submit({"kind": "run", "recipe": "plates"})
    journal.opened(0, opened_content("first"))
    for number in range(20):
        assert _wait(journal, journal.submit({"kind": "event", "number": number, "text": "x" * 300}))
    assert len(segment_files(journal.folder)) > 3
    tail = read_tail(journal.folder)
    journal.close()
    assert tail.run["recipe"] == "plates"
    assert [notice["part_id"] for notice in tail.open.values()] == ["first"]
    assert _sequences(journal.folder) == list(range(1, 22))


def test_a_journal_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    journal = _written(tmp_path, 1)
    (segment,) = segment_files(journal.folder)
    data = segment.read_bytes()
    end = data.index(b'"number": 0')
    segment.write_bytes(frame(NOTICE, b'{"format": 2, "journal": "x"}', bytes(32)) + data[end:])
    with pytest.raises(StorageError, match="newer version"):
        Journal(journal.folder, StationKey(tmp_path))
    segment.unlink()
    Journal(journal.folder, StationKey(tmp_path)).close()  # the refused one let go of the lock
