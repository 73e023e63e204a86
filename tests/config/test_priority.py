"""Who goes first where the processor is too small for all."""

import os
import subprocess
import sys

import pytest

from config.programs import hub_programs

pytestmark = pytest.mark.unit

LOWEST = 19

WORKER_BEGINS = """
import os
from celery.signals import worker_init
import config.celery
worker_init.send(sender=None)
print(os.nice(0))
"""


def test_transcripts_give_way_to_everything_else() -> None:
    found = {
        program.name: int(
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", WORKER_BEGINS],
                env={**os.environ, **program.environment},
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
        )
        for program in hub_programs(host="127.0.0.1", port=8000)
        if "celery" in program.command and program.name != "beat"
    }
    own = os.nice(0)
    assert found == {"speech": own, "words": min(own + 5, LOWEST), "chores": own}
