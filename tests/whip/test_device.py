"""The pattern for devices of other makers, where it cannot work."""

import json
import subprocess

import pytest

from tests.whip.foreign import SCRIPT, SYSTEM_PYTHON

pytestmark = pytest.mark.integration


def test_without_its_microphone_it_says_so_and_ends() -> None:
    words = ["--url", "http://127.0.0.1:9/", "--token", "x", "--source", "filesrc location=/none ! wavparse"]
    done = subprocess.run(
        [SYSTEM_PYTHON, SCRIPT, *words], capture_output=True, text=True, timeout=30, check=False
    )
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["event"], done.returncode) == ("failed", 1)
    assert "Is there a sound card?" in last["detail"]
