"""Keep libraries from calling servers on the internet and from leaving files of their own in the user's folders."""

import os
import sys


def stay_offline() -> None:
    """Switch off the telemetry of onnxruntime and of openvino and nncf, in this process and in every child that it starts.

    To be called before any of them is imported: onnxruntime looks at the variable while it is loaded, resolves its maker's host
    and writes a device id into the user's cache. A call to its own switch after the import comes too late, and in CI it is off
    by itself. The others use stand-ins that send nothing where the package `openvino_telemetry` cannot be imported.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: Python's mark for "cannot be imported"
