"""The console script; ends quietly on Ctrl-C, also while it imports the command line."""

import gc
import sys


def main() -> None:
    """Run `taxi`."""
    try:
        from taxi_assets.cli import main as command_line  # the import takes 1 s

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)  # the shells' exit code for Ctrl-C
    finally:
        gc.freeze()  # the interpreter's last collections would search half a million objects of `taxi run`, in 1.8 s


if __name__ == "__main__":
    main()
