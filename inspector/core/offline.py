"""Keep libraries from calling servers on the internet and from leaving files of their own in the user's folders."""

import os
import sys


def stay_offline() -> None:
    """Switch off the telemetry of onnxruntime, openvino and nncf in this process and in every child process.

    Call this before any of these libraries is imported: while it is loaded, onnxruntime reads the variable, resolves its
    vendor's host and writes a device id into the user's cache. Its own switch, called after the import, comes too late; in CI
    its telemetry is off by default. The other two use stand-ins that send nothing if the package `openvino_telemetry` cannot be
    imported.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: Python's mark for "cannot be imported"
