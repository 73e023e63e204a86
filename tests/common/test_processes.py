"""What is asked of the C library, in a process of its own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

EIGHT_THREADS = """
import ctypes, threading
from common.processes import threads_share_memory
{first}
all_there = threading.Barrier(9)
def run():
    kept = bytes(1000)
    all_there.wait()
    all_there.wait()
for _ in range(8):
    threading.Thread(target=run).start()
all_there.wait()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
all_there.wait()
"""


def arenas(first: str) -> int:
    program = EIGHT_THREADS.format(first=first)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.count("<heap nr=")


def test_threads_share_two_arenas_where_each_would_have_its_own() -> None:
    assert arenas("pass") > 2
    assert arenas("threads_share_memory()") == 2
