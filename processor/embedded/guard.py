"""Runs a server for as long as its starter lives: `guard.py COMMAND…`.

The starter holds the other end of standard input. When that closes, however the starter ended, the server is
killed: no server outlives a demo or a test run that was killed itself. (The kernel's parent-death signal would
do, but it is bound to the thread that forked, not to the process.)

The first line of standard output is the server's process id; its own output goes to standard error.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the command; its exit code."""
    server = subprocess.Popen(  # noqa: S603  the command is the starter's own
        sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
    )
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Ctrl-C in a terminal reaches this process too; the starter decides what it means for the server.
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_kill_at_end_of_input, args=(server.pid,), daemon=True).start()
    return server.wait()


def _kill_at_end_of_input(pid: int) -> None:
    # Not by `sys.stdin`: a thread that holds its lock when this process ends has the interpreter abort.
    while os.read(0, 4096):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
