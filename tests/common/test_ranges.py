"""Parts of a file over HTTP, against RFC 9110 section 14."""

import os
from pathlib import Path

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from common.ranges import file_response
from tests.common.range_cases import BLOCK, Case, cases

pytestmark = pytest.mark.unit

SIZE = 3 * BLOCK + 123
WHOLE = os.urandom(SIZE)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    path.write_bytes(WHOLE)
    return path


@pytest.mark.parametrize("case", cases(SIZE), ids=lambda case: f"{case.method} {case.range[:30]} {case.more}")
def test_every_part_is_answered_as_the_standard_says(case: Case, file: Path) -> None:
    request = RequestFactory().generic(case.method, "/", headers=case.headers)
    response = file_response(request, file, "audio/wav")
    assert isinstance(response, HttpResponse | StreamingHttpResponse)
    body = response.getvalue()
    headers = {name.lower(): value for name, value in response.items()}
    assert case.is_right(response.status_code, headers, body, WHOLE), (response.status_code, headers)


def test_an_empty_file_has_no_parts(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for words, status in (("bytes=0-", 416), ("bytes=-1", 416), ("bytes=1-0", 200), ("", 200)):
        request = RequestFactory().get("/", headers={"Range": words} if words else {})
        assert file_response(request, tmp_path / "empty.wav", "audio/wav").status_code == status
