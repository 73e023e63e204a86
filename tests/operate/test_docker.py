import hashlib
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from config.programs import hub_programs

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
SCHEMAS = Path(__file__).parent / "schemas"


# One address or more of every block that IANA keeps for special purposes (RFC 6890 and its updates).
@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
    return loaded


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_the_vendored_schema_is_the_one_of_its_readme() -> None:
    sums = re.findall(r"^([0-9a-f]{64})  (\S+)$", (SCHEMAS / "README.md").read_text(), re.MULTILINE)
    assert {name for _, name in sums} == {path.name for path in SCHEMAS.glob("*.json")}
    for checksum, name in sums:
        assert hashlib.sha256((SCHEMAS / name).read_bytes()).hexdigest() == checksum


def test_the_compose_file_obeys_the_compose_specification(compose: dict[str, Any]) -> None:
    schema = json.loads((SCHEMAS / "compose-spec.json").read_text())
    assert [error.message for error in Draft7Validator(schema).iter_errors(compose)] == []
    broken = compose | {"services": compose["services"] | {"web": {"imagine": "x"}}}
    assert list(Draft7Validator(schema).iter_errors(broken))


def test_every_service_that_stays_has_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) >= {"web", "media", "tasks", "beat", "postgres", "redis", "coturn", "caddy"}
    staying = {name: service for name, service in services.items() if service["restart"] != "no"}
    assert set(services) - set(staying) == {"migrate"}
    assert [name for name, service in staying.items() if not service.get("healthcheck", {}).get("test")] == []


def test_compose_names_only_what_it_defines(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("networks", [])) <= set(compose["networks"])
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        assert ("network_mode" in service) != bool(service.get("networks"))
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in compose["volumes"]


def test_media_stops_before_what_tells_pages_and_devices_why_their_calls_end(compose: dict[str, Any]) -> None:
    services = compose["services"]  # they stop in the opposite order of that in which they start
    assert "caddy" in services["media"]["depends_on"]
    assert "web" in services["caddy"]["depends_on"]


def test_every_variable_of_compose_stands_in_the_example_and_no_secret_does() -> None:
    text = (DOCKER / "compose.yml").read_text()
    wanted = set(re.findall(r"\$\{([A-Z_]+)", text))
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (DOCKER / ".env.example").read_text(), re.MULTILINE))
    assert set(example) == wanted
    assert {name: example[name] for name in example if re.search("PASSWORD|SECRET", name)} == {
        "POSTGRES_PASSWORD": "",
        "REDIS_PASSWORD": "",
        "HUB_TURN_SECRET": "",
    }
    # Without its value Compose must stop with a sentence, at its first use at least.
    optional = "HOST_PORT|MEDIA_IP|TURNS_URL|METRICS_TOKEN"
    assert all(f"${{{name}:?" in text for name in wanted if not re.search(optional, name))


def test_only_web_gets_the_token_of_the_metrics(compose: dict[str, Any]) -> None:
    having = [
        name for name, one in compose["services"].items() if "HUB_METRICS_TOKEN" in one.get("environment", {})
    ]
    assert having == ["web"]


def test_the_image_runs_as_nobody_in_particular_and_carries_no_secret() -> None:
    dockerfile = (DOCKER / "Dockerfile").read_text()
    last_stage = dockerfile[dockerfile.rindex("\nFROM ") :]
    assert re.search(r"^USER 10001:10001$", last_stage, re.MULTILINE)
    assert "HUB_DATA_DIR=/tmp/build" in dockerfile
    assert not re.search(r"SECRET|PASSWORD", dockerfile)
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert {".git", "data", ".env", "**/.env", ".venv"} <= set(ignored)


def test_the_entry_commands_are_those_of_the_supervisor(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    entries = {
        "web": ["web"],
        "media": ["media"],
        "speech": ["tasks", "speech", "tts"],
        "words": ["tasks", "words", "stt"],
        "chores": ["tasks", "chores", "default", "threads", "4"],
        "beat": ["beat"],
    }
    programs = hub_programs(host="0.0.0.0", port=8000)
    assert {program.name for program in programs} == set(entries)
    for program in programs:
        entry = subprocess.run(
            [DOCKER / "entrypoint", *entries[program.name]],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        words = list(program.command[1:])
        if words[0] == "-W":
            words = words[2:]
        assert entry.stdout.split("\n")[:-1] == words


def test_the_entry_point_refuses_what_it_does_not_know() -> None:
    done = subprocess.run([DOCKER / "entrypoint", "dance"], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "Known: web, media" in done.stderr
