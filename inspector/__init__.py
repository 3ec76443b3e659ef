"""Visual inspection station: from camera to verdict, offline, on one PC."""

from typing import TYPE_CHECKING

from inspector.core.offline import stay_offline

stay_offline()  # here, because whatever is imported of this program comes after it

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name):  # noqa: ANN001, ANN202 - the type checker reads the line above
        """`__version__` when it is asked for: the package's metadata take longer to read than a small command runs."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("inspector")
        except PackageNotFoundError:  # run from a source tree that was never installed
            found = "0+unknown"
        globals()["__version__"] = found
        return found
