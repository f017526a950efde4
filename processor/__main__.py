"""`processor`, and `python -m processor`: from the first moment on SIGTERM ends a service that has begun nothing."""

import os
import signal
import sys


def main() -> None:
    """The console script."""
    if sys.argv[1:2] == ["run"]:
        # Until the service has handlers of its own nothing is connected, so there is nothing to drain. To load its modules
        # takes a while, and as the first process of a container it would not hear a signal that it has no handler for, and be
        # killed when its grace period is over.
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not by SystemExit: a library whose code runs in that moment may turn it into an error of its own.
            signal.signal(number, lambda *_: os._exit(0))
        # The files are not read yet, so nothing is missed.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from processor.cli.app import main as main_of_cli  # noqa: PLC0415  what takes the while

    main_of_cli()


if __name__ == "__main__":
    main()
