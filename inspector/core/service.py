"""What systemd is told by a program that it started (sd_notify(3)): that it is ready, alive, or stopping.

Does nothing where the program was not started as a service.
"""

import os
import socket

_MICROSECONDS = 1e6


def notify(state: str) -> bool:
    """Send a state such as "READY=1" or "WATCHDOG=1" to the service manager and return whether it was sent."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    family = getattr(socket, "AF_UNIX", None)
    if not address.startswith(("/", "@")) or family is None:
        return False
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.setblocking(False)  # a manager that does not read must not stop the window
            connection.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except OSError:
        return False
    return True


def watchdog_interval() -> float | None:
    """Return the seconds within which the manager wants to hear from this process; None if it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for the process that started this one
    try:
        seconds = int(os.environ.get("WATCHDOG_USEC", "")) / _MICROSECONDS
    except ValueError:
        return None
    return seconds if seconds > 0 else None
