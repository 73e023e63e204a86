"""`python -m tests.fakes.dying_agent STEP …`: an agent whose power goes while it changes its key.

It is gone before the STEP-th thing that it does to its disk, from the moment at which the hub wants another key.
The words after STEP are those that would start a healthy one.
"""

import os
import sys
from typing import Any

from agent import __main__ as program
from agent.certificates import CertificateKeeper

DEAD = 9
STEPS = ("open", "fchmod", "write", "fsync", "replace")


def _arm(last: int) -> None:
    left = last

    def guarded(name: str) -> Any:
        real = getattr(os, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(DEAD)
            return real(*args, **kwargs)

        return step

    for name in STEPS:
        setattr(os, name, guarded(name))


def main() -> int:
    last, sys.argv = int(sys.argv[1]), ["agent", *sys.argv[5:]]
    healthy = CertificateKeeper.key_wanted

    def key_wanted(keeper: CertificateKeeper) -> None:
        _arm(last)
        healthy(keeper)

    CertificateKeeper.key_wanted = key_wanted  # type: ignore[assignment]
    return program.main()


if __name__ == "__main__":
    sys.exit(main())
