"""Lower priority of a process beside a running inspection."""

import logging
import os
import sys
from pathlib import Path

import psutil

LOW_PRIORITY = 10  # niceness of training
LOWEST_PRIORITY = 19  # of what nobody waits for: beside a busy line it gets a hundredth of a core
_GROUP = Path("/proc/self/autogroup")

log = logging.getLogger(__name__)


def be_nice(niceness: int = LOW_PRIORITY) -> None:
    """Lower this process's priority, because it shares the processor with a running inspection."""
    try:
        if sys.platform == "win32":
            low = psutil.BELOW_NORMAL_PRIORITY_CLASS if niceness < LOWEST_PRIORITY else psutil.IDLE_PRIORITY_CLASS
            psutil.Process().nice(low)
        else:
            process = psutil.Process()
            process.nice(max(process.nice(), niceness))
            _be_nice_as_a_group(niceness)
    except (psutil.Error, OSError):
        log.debug("the priority stays as it is", exc_info=True)


def _be_nice_as_a_group(niceness: int) -> None:
    """Set the niceness of this process's autogroup. Raises OSError.

    Linux with automatic groups, as on most desktops, first shares the processor between sessions: niceness counts only within a
    session, and a worker has its own. The group has its own niceness (sched(7), "The autogroup feature").
    """
    if sys.platform == "linux" and os.getsid(0) == os.getpid() and _GROUP.exists():
        _GROUP.write_text(str(niceness), "ascii")
