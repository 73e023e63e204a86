"""One file over HTTP: resumed after a cut (RFC 9110, section 14), its checksum compared."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from common.speech_models.errors import DownloadFailed
from common.speech_models.manifest import file_sha256

_ATTEMPTS = 6  # in a row without a single new byte
_PAUSE_S = 1.0
_IDENTITY = {"Accept-Encoding": "identity"}  # ranges and sizes are those of the file itself


@dataclass(frozen=True)
class RemoteFile:
    """`checksum` is a SHA-256 (64 hex digits), a git blob's SHA-1 (40), or empty when the hub states none."""

    url: str
    name: str
    size_bytes: int
    checksum: str


def remote_file(client: httpx.Client, url: str) -> RemoteFile:
    """Ask for size and checksum. Hugging Face names them on the answer that redirects to the storage host."""
    try:
        response = client.head(url, headers=_IDENTITY)
    except httpx.HTTPError as error:
        raise _unreachable(url) from error
    _check_status(response)
    own = [hop for hop in (*response.history, response) if hop.url.host == urlsplit(url).hostname]
    size = _first(own, "x-linked-size") or response.headers.get("content-length", "")
    etag = _first(own, "x-linked-etag") or _first(own, "etag")
    if not size.isdigit():
        raise DownloadFailed(f"{_host(url)} does not say how large {_name(url)} is.")
    return RemoteFile(url, _name(url), int(size), _checksum(etag))


def _first(hops: list[httpx.Response], header: str) -> str:
    return next((hop.headers[header] for hop in hops if header in hop.headers), "")


def _checksum(etag: str) -> str:
    value = etag.removeprefix("W/").strip('"').lower()
    is_hex = all(char in "0123456789abcdef" for char in value)
    return value if is_hex and len(value) in (40, 64) else ""


def file_fetch(
    client: httpx.Client,
    file: RemoteFile,
    path: Path,
    received: Callable[[int], None],
    pause_s: float = _PAUSE_S,
) -> None:
    """Bring `file` to `path`. What an earlier attempt left there is continued. Raises DownloadFailed."""
    received(path.stat().st_size if path.exists() else 0)
    _complete(client, file, path, received)
    if _is_right(file, path):
        return
    # The beginning may be of an older version: once more from the first byte.
    received(-path.stat().st_size)
    path.unlink()
    _complete(client, file, path, received)
    if not _is_right(file, path):
        path.unlink()
        raise DownloadFailed(f"{file.name} arrived damaged: its checksum is another one.")


def _complete(client: httpx.Client, file: RemoteFile, path: Path, received: Callable[[int], None]) -> None:
    failures = 0
    while (have := path.stat().st_size if path.exists() else 0) < file.size_bytes:
        try:
            _append(client, file, path, have, received)
        except httpx.TransportError as error:
            failures = failures + 1 if path.exists() and path.stat().st_size == have else 0
            if failures >= _ATTEMPTS or not path.exists():
                raise _unreachable(file.url) from error
            time.sleep(_PAUSE_S * max(1, failures))


def _append(
    client: httpx.Client, file: RemoteFile, path: Path, have: int, received: Callable[[int], None]
) -> None:
    headers = {**_IDENTITY, "Range": f"bytes={have}-"} if have else _IDENTITY
    with client.stream("GET", file.url, headers=headers) as response:
        _check_status(response)
        if have and response.status_code != httpx.codes.PARTIAL_CONTENT:
            received(-have)
            have = 0
        with path.open("ab" if have else "wb") as target:
            for block in response.iter_raw():
                target.write(block)
                received(len(block))
                have += len(block)
                if have > file.size_bytes:
                    break  # not the file that was asked for; the checksum says so


def _is_right(file: RemoteFile, path: Path) -> bool:
    if path.stat().st_size != file.size_bytes:
        return False
    if len(file.checksum) == 40:
        return _git_blob_sha1(path) == file.checksum
    return not file.checksum or file_sha256(path) == file.checksum


def _git_blob_sha1(path: Path) -> str:
    content = path.read_bytes()  # small files only: large ones are stored by SHA-256
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _check_status(response: httpx.Response) -> None:
    if response.is_success:
        return
    url = str(response.request.url)
    if response.status_code in (401, 403, 404, 410):
        raise DownloadFailed(f"{_host(url)} does not offer {_name(url)} any more ({response.status_code}).")
    raise DownloadFailed(
        f"{_host(url)} answered {response.status_code} for {_name(url)}. Please try again later."
    )


def _unreachable(url: str) -> DownloadFailed:
    return DownloadFailed(f"{_host(url)} cannot be reached. Is this machine connected to the internet?")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _name(url: str) -> str:
    return urlsplit(url).path.rsplit("/", 1)[-1]
