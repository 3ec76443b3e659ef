"""Keep libraries from calling servers on the internet and from leaving files of their own in the user's folders."""

import os
import sys
from pathlib import Path

import platformdirs


def stay_offline() -> None:
    """Switch off the telemetry of onnxruntime, openvino and nncf in this process and in every child process.

    Call this before any of these libraries is imported: while it is loaded, onnxruntime reads the variable, resolves its
    vendor's host and writes a device id into the user's cache. Its own switch, called after the import, comes too late; in CI
    its telemetry is off by default. The other two use stand-ins that send nothing if the package `openvino_telemetry` cannot be
    imported. torch makes a folder for compiled code, otherwise in the temporary folder and with a name it asks the system for.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    compiled = Path(platformdirs.user_cache_dir("inspector", appauthor=False)) / "torch"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(compiled))
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: Python's mark for "cannot be imported"
