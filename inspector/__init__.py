"""Visual inspection station: from camera to verdict, offline, on one PC."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("inspector")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
