"""Functions that become machine code when a worker starts, and what of C they may call.

numba compiles them, from a wheel, without a compiler on the machine. Where it has no wheel `IS_AVAILABLE` is False, and
what is written in these functions is not used: packets take the general way, which does the same.
"""

import platform
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

from pylibsrtp._binding import ffi, lib

from media.connection import cache

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
_PLATFORMS: Final = (
    "x86_64",
    "aarch64",
)  # 64-bit Linux, whose structures `media.connection.tables` and `datagrams` write down


def _numba() -> Any:
    if sys.platform != "linux" or platform.machine() not in _PLATFORMS:
        return None
    try:
        import numba
    except ImportError:
        return None
    return numba


_NUMBA: Final = _numba()
IS_AVAILABLE: Final = _NUMBA is not None


if IS_AVAILABLE:
    cache.prepare()


def compiled(function: FunctionT) -> FunctionT:
    """Compiled at its first call, then kept in numba's cache beside the module, or in that of the user.

    It runs without the interpreter's lock and knows no exceptions, so it may not index outside of its arrays.
    """
    if _NUMBA is None:
        return function
    try:
        return _NUMBA.njit(nogil=True, cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder for a cache
        return _NUMBA.njit(nogil=True)(function)  # type: ignore[no-any-return]


def entrance(function: Callable[..., int]) -> Callable[..., int]:
    """The function, compiled, for calls from Python with integers alone: numba's own way in takes ten times as long."""
    signature = _NUMBA.types.int64(*[_NUMBA.types.int64] * function.__code__.co_argcount)
    try:
        made = _NUMBA.cfunc(signature, cache=True)(function)
    except RuntimeError:  # no folder for a cache
        cache.compiling_tell()
        made = _NUMBA.cfunc(signature)(function)
    call: Any = made.ctypes
    call.made = made  # the code lives as long as this
    return call  # type: ignore[no-any-return]


def _foreign(name: str, result: str, *arguments: str) -> Any:
    """A function of C by its name; types are numba's, and pointers are `uintp`."""
    if _NUMBA is None:
        return None
    types = _NUMBA.types
    signature = getattr(types, result)(*(getattr(types, argument) for argument in arguments))
    return types.ExternalFunction(name, signature)


def _name_srtp() -> None:
    """libsrtp is linked into pylibsrtp and not to be found by name."""
    if _NUMBA is not None:
        from llvmlite import binding

        for name in ("srtp_protect", "srtp_unprotect"):
            binding.add_symbol(name, int(ffi.cast("uintptr_t", ffi.addressof(lib, name))))


_name_srtp()

srtp_protect: Final = _foreign("srtp_protect", "int32", "uintp", "uintp", "uintp")
srtp_unprotect: Final = _foreign("srtp_unprotect", "int32", "uintp", "uintp", "uintp")
epoll_wait: Final = _foreign("epoll_wait", "int32", "int32", "uintp", "int32", "int32")
recvmmsg: Final = _foreign("recvmmsg", "int32", "int32", "uintp", "uint32", "int32", "uintp")
sendmmsg: Final = _foreign("sendmmsg", "int32", "int32", "uintp", "uint32", "int32")
clock_gettime: Final = _foreign("clock_gettime", "int32", "int32", "uintp")


def _pointer_maker() -> Any:
    if _NUMBA is None:
        return None
    from numba.extending import intrinsic

    @intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:
        """An address (int64) as a pointer, for `array_at`."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return _NUMBA.types.voidptr(address), code

    return pointer


pointer: Final = _pointer_maker()
array_at: Final[Any] = _NUMBA.carray if _NUMBA is not None else None
