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


IN_PIECES = """
import psutil
from common.processes import memory_give_back
def rss_mb():
    return psutil.Process().memory_info().rss / 1e6
pieces = [bytes(1000) for _ in range(100_000)]
in_use = rss_mb()
del pieces[:-1]  # the last one keeps the heap from shrinking by itself
memory_give_back()
print(in_use - rss_mb())
"""


def arenas(first: str) -> int:
    program = EIGHT_THREADS.format(first=first)
    return printed(program).count("<heap nr=")


def printed(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_threads_share_two_arenas_where_each_would_have_its_own() -> None:
    assert arenas("pass") > 2
    assert arenas("threads_share_memory()") == 2


def test_what_is_free_in_pieces_goes_back_to_the_system() -> None:
    assert float(printed(IN_PIECES)) > 80
