"""`python -m inspector` and the `inspector` command."""

import sys


def main() -> None:
    """Run the command line; the process ends with its exit code."""
    try:
        from inspector.cli.main import run

        code: int | str = run()
    except ImportError as error:
        code = _incomplete(error)
    sys.exit(code)


def _incomplete(error: ImportError) -> str:
    """Return the sentence for an installed program with a missing or damaged file; elsewhere raise the error again.

    Windows shows it in a box where the program has no console.
    """
    from inspector.core.installed import installation

    if installation() is None:
        raise error
    detail = " ".join(str(error).split())
    sentence = f"inspector: a file of the program is missing or damaged ({detail}). Install the program again."
    if sys.platform == "win32" and sys.stderr is None:
        import ctypes

        ctypes.windll.user32.MessageBoxW(None, sentence, "Inspector", 0x10)  # MB_ICONERROR
    return sentence


if __name__ == "__main__":
    main()
