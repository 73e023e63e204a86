"""The published documents say what the code does."""

from pathlib import Path

import pytest
import yaml
from django.core.management import call_command

from protocol.messages.unions import UNIONS, members
from signaling.asyncapi import asyncapi_document

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.unit

NAMES = {
    "hello", "hello_ack", "webrtc_offer", "webrtc_answer", "start", "stop", "speak", "mic_start", "mic_stop",
    "transcription", "ping", "pong", "ice_candidate", "call_invite", "call_ringing", "call_accept", "call_decline",
    "call_state", "call_end", "call_moved", "announce", "announce_progress", "presence", "stats", "error",
}  # fmt: skip


def test_the_asyncapi_document_is_current() -> None:
    written = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
    assert written == asyncapi_document(), "run `manage.py asyncapi`"


def test_the_openapi_document_is_current_and_without_warnings(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    target = tmp_path_factory.mktemp("openapi") / "openapi.yaml"
    call_command("spectacular", "--file", str(target), "--validate", "--fail-on-warn")
    written = (ROOT / "docs" / "openapi.yaml").read_text()
    assert written == target.read_text(), "run `manage.py spectacular --file docs/openapi.yaml`"


def test_the_names_that_other_clients_speak_are_all_there() -> None:
    spoken = {model.model_fields["type"].default for union in UNIONS.values() for model in members(union)}
    assert spoken >= NAMES
