"""What keeps libraries from calling servers on the internet: a station beside a line does not do that."""

import sys


def no_usage_statistics() -> None:
    """Before openvino or nncf are imported: without this package they use stand-ins of their own that send nothing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: Python's mark for "not to be had"
