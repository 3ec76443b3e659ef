"""The worker processes that a test has started, apart from what libraries keep beside them."""

import psutil


def workers(*, recursive: bool = False) -> list[psutil.Process]:
    """Return the running workers of this process. Others, like the server of `multiprocessing`, live as long as it."""
    found = []
    for child in psutil.Process().children(recursive=recursive):
        try:
            if child.status() != psutil.STATUS_ZOMBIE and "worker" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:  # it has just ended
            continue
    return found
