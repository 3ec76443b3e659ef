"""`python -m inspector` and the `inspector` command."""

import sys


def main() -> None:
    """Run the command line; the process ends with its exit code."""
    from inspector.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
