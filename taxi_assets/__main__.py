"""The console script; ends quietly on Ctrl-C, also while it imports the command line."""

import sys


def main() -> None:
    """Run `taxi`."""
    try:
        from taxi_assets.cli import main as command_line  # the import takes 1 s

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)  # the shells' exit code for Ctrl-C


if __name__ == "__main__":
    main()
