"""Sending a file so that a player can seek: RFC 9110 section 14. Django's own FileResponse ignores Range."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

# No file has more than 10^18 bytes, and Python refuses to read numbers of thousands of digits.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)
_BLOCK_BYTES = 64 * 1024

Opener = Callable[[], BinaryIO]


def file_response(request: HttpRequest, path: Path, content_type: str) -> HttpResponseBase:
    """What `sound_response` does, for a file that lies open on the disk."""
    return sound_response(request, lambda: path.open("rb"), content_type)


def sound_response(request: HttpRequest, opener: Opener, content_type: str) -> HttpResponseBase:
    """200, 206 for one range, or 416. Several ranges at once get the whole file, as the RFC allows.

    `opener` gives something that can seek; it is asked again when the body is read, which may be never.
    """
    with opener() as source:
        size = source.seek(0, os.SEEK_END)
    span = _span(_range_asked(request), size)
    if span is None:
        response = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{size}"
        return response
    first, last, is_part = span
    body: HttpResponseBase
    if request.method == "HEAD":  # Daphne hangs up on who asks again before a body that nobody gets was read
        body = HttpResponse(content_type=content_type)
    else:
        status = 206 if is_part else 200
        body = StreamingHttpResponse(_read(opener, first, last), status=status, content_type=content_type)
    body["Content-Length"] = str(last - first + 1)
    body["Accept-Ranges"] = "bytes"
    body["Cache-Control"] = "private, no-store"
    if is_part:
        body["Content-Range"] = f"bytes {first}-{last}/{size}"
    return body


def _range_asked(request: HttpRequest) -> str:
    """Only a GET has parts. No validator is ever sent, so whoever asks by If-Range has another file: all of it."""
    counts = request.method == "GET" and "If-Range" not in request.headers
    return request.headers.get("Range", "") if counts else ""


def _span(header: str, size: int) -> tuple[int, int, bool] | None:
    """First and last byte, and whether it is a part. None: the range lies outside of the file."""
    match = _RANGE.fullmatch(header)
    if not match or match.groups() == ("", ""):
        return 0, size - 1, False
    start, end = match.groups()
    if not start:  # the last N bytes
        first, last = max(0, size - int(end)), size - 1
        return (first, last, True) if int(end) and size else None
    first, last = int(start), min(int(end), size - 1) if end else size - 1
    if end and int(end) < first:  # no valid range at all: as if there were none
        return 0, size - 1, False
    return (first, last, True) if first < size else None


def _read(opener: Opener, first: int, last: int) -> Iterator[bytes]:
    with opener() as source:
        source.seek(first)
        left = last - first + 1
        while left > 0 and (block := source.read(min(_BLOCK_BYTES, left))):
            left -= len(block)
            yield block
