"""What a first start leaves behind, whatever the shell it was started from allows."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.operate.hub_process import ROOT, HubProcess, open_to_others, processes_of

pytestmark = pytest.mark.integration

GIVEN = "a-secret-that-somebody-gave-the-hub-in-its-environment-0123456789"


def test_nothing_is_readable_by_others_though_the_shell_would_allow_all(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        hub = HubProcess(tmp_path / "new" / "data", environment={"HUB_SECRET_KEY": GIVEN})
    finally:
        os.umask(former)
    try:
        hub.until("ready after")
        for process in processes_of(hub.data_dir):
            if process.name() in ("postgres", "valkey-server", "redis-server"):
                assert not [name for name in environment_of(process) if name.startswith("HUB_")]
        assert open_to_others(hub.data_dir) == []
        assert {path.name for path in (hub.data_dir / "secrets").iterdir()} >= {"DATA_KEY", "TURN_SECRET"}
    finally:
        hub.close()


def environment_of(process: psutil.Process) -> Mapping[str, str]:
    found: Mapping[str, str] = process.environ()
    return found


@pytest.mark.parametrize("url", ["https://hub.example.org", "http://192.168.1.10:8000"])
def test_the_check_before_a_deployment_has_nothing_to_say(tmp_path: Path, url: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "HUB_URL": url,
            "HUB_DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "no issues" in done.stdout, done.stderr) == (0, True, "")
