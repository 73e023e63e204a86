"""Child processes that cannot outlive their parent, and are stopped in a bounded time.

Linux sends a child the signal of `PR_SET_PDEATHSIG` when the thread that started it ends, however it ends; so
children are started from the main thread only. See prctl(2).
"""

import ctypes
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

PR_SET_PDEATHSIG = 1
_M_ARENA_MAX = -8  # malloc.h
_ARENAS = 2
# What only the hub's own processes may see.
_HUB_ONLY_PREFIXES = ("HUB_", "DATABASE_URL", "REDIS_URL", "DJANGO_")
# Loaded here, since between fork and exec another thread's lock could be held for ever.
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(death_signal: signal.Signals = signal.SIGKILL) -> None:
    """Make the calling process receive `death_signal` when its parent ends. Does nothing outside Linux.

    Raises OSError when the kernel refuses.
    """
    if not sys.platform.startswith("linux"):
        return
    if _LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")


def before_exec(death_signal: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn`: ties the child to the process that calls this function now."""
    parent_pid = os.getpid()

    def tie() -> None:
        die_with_parent(death_signal)
        if os.getppid() != parent_pid:  # it died between fork and prctl, so no signal will come
            os._exit(1)

    return tie


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """For a child that is none of the hub's own programs."""
    return {name: value for name, value in environment.items() if not name.startswith(_HUB_ONLY_PREFIXES)}


def threads_share_memory() -> None:
    """Keep glibc from giving each thread an arena of its own: each would grow to its highest use and stay there.

    Threads that begin later, and children, keep to it. Does nothing with another C library. See mallopt(3).
    """
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_M_ARENA_MAX, _ARENAS)


def memory_give_back() -> None:
    """Give what is free to the system, also between what is in use. Takes some 20 ms. See malloc_trim(3)."""
    gc.collect()
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)


def stop(process: subprocess.Popen[bytes], *, stop_signal: signal.Signals, within_s: float) -> None:
    """Send `stop_signal`, wait at most `within_s`, then kill. A process that has ended is left alone."""
    if process.poll() is not None:
        return
    process.send_signal(stop_signal)
    try:
        process.wait(timeout=within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
