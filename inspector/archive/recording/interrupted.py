"""The parts that were under way when the process before ended without a word."""

from inspector.archive.contents import interrupted_content, interrupted_run_content
from inspector.archive.recording.journal import Journal


def finish_interrupted(journal: Journal) -> int:
    """Record the parts that were under way when the process before ended without a word; return how many.

    Each is NOT_INSPECTED (interrupted).
    """
    left = journal.interrupted
    journal.interrupted = None
    if left is None:
        return 0
    for notice in left.parts:
        journal.submit(interrupted_content(left.run, notice))
    journal.submit(interrupted_run_content(len(left.parts)))
    return len(left.parts)
