"""The console script; ends quietly on Ctrl-C, also during its imports, and on a closed pipe."""

import gc
import os
import sys

# The shells' exit codes: 128 and the number of the signal, SIGINT or SIGPIPE.
_CTRL_C, _CLOSED_PIPE = 130, 141


def main() -> None:
    """Run `taxi`."""
    try:
        _run_and_flush()
    except KeyboardInterrupt:
        sys.exit(_CTRL_C)
    except BrokenPipeError:  # `taxi ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's own flush fails
        sys.exit(_CLOSED_PIPE)
    finally:
        gc.freeze()  # the interpreter's last collections would search half a million objects of `taxi run`, in 1.8 s


def _run_and_flush() -> None:
    try:
        from taxi_assets.cli import main as command_line  # the import takes 1 s

        command_line()
    finally:
        if sys.stdout:  # None after `taxi >&-`
            sys.stdout.flush()


if __name__ == "__main__":
    main()
