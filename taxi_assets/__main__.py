"""The console script: ends quietly on Ctrl-C, also while the command line is still being loaded."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run `taxi`."""
    try:
        from taxi_assets.cli import main as command_line  # it takes a second

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)  # as shells tell of a program ended by Ctrl-C


if __name__ == "__main__":
    main()
