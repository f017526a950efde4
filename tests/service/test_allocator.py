"""How a process of the service takes memory from the C library."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from processor.service.allocator import take_from_one_arena

_ARENAS = """
import ctypes, sys, threading
from processor.service.allocator import take_from_one_arena

if sys.argv[1] == "one":
    take_from_one_arena()
together, held = threading.Barrier(4), []

def take():
    together.wait()
    held.append([bytearray(5_000 + number) for number in range(200)])
    together.wait()

threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


def arenas(how: str, environ: dict[str, str]) -> int:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"}
    }
    told = subprocess.run(
        [sys.executable, "-c", _ARENAS, how],
        env=kept | environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return told.stdout.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no arenas")
def test_all_threads_take_from_one_arena_unless_the_environment_says_otherwise() -> None:
    assert arenas("one", {}) == 1
    assert arenas("as it is", {}) > 1
    assert arenas("one", {"MALLOC_ARENA_MAX": "8"}) > 1
    assert arenas("one", {"GLIBC_TUNABLES": "glibc.malloc.arena_max=8"}) > 1
    assert arenas("one", {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=7"}) == 1


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __init__(self, name: None) -> None:
            pass

    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setattr("ctypes.CDLL", Other)
    take_from_one_arena()
