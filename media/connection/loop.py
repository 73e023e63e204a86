"""The worker's event loop: while it waits, packets that only pass are forwarded without waking it."""

import asyncio
import gc
import math
import selectors
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, Final, TypeVar

from media.connection import compiled, direct, tables
from media.connection.routes import Routes

ResultT = TypeVar("ResultT")

_MAX_WAIT_MS: Final = 1 << 30


class ForwardingSelector(selectors.EpollSelector):
    """Waits in `direct.wait`, and tells of what is left."""

    def __init__(self, routes: Routes) -> None:
        super().__init__()
        self._routes, self._wait = routes, direct.wait()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        wait_ms = -1 if timeout is None else min(_MAX_WAIT_MS, max(0, math.ceil(timeout * 1000)))
        found = self._wait(self._routes.at, self.fileno(), wait_ms)
        ready = super().select(0) if found & direct.OTHERS else []
        if found & direct.LEFT:
            keys = self.get_map()
            ready += [(keys[fd], selectors.EVENT_READ) for fd in self._routes.left() if fd in keys]
        return ready


class ForwardingLoop(asyncio.SelectorEventLoop):
    """`routes` is what `media.connection.routes.routes_of` finds."""

    def __init__(self) -> None:
        self.routes = Routes()
        super().__init__(ForwardingSelector(self.routes))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """None, asyncio's own, where nothing can be compiled."""
    return ForwardingLoop if compiled.IS_AVAILABLE else None


@cache
def compile_early() -> None:
    """So that no call waits for it, and processes that are forked from this one need not do it again.

    The compiler leaves many objects; what searches for garbage would look at them again with every few calls.
    """
    if compiled.IS_AVAILABLE:
        direct.wait()
        tables.index_routes()
        gc.collect()
        gc.freeze()


def run(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """As asyncio.run."""
    compile_early()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)


if __name__ == "__main__":
    compile_early()
