"""FakeModelHub: a hub of models on loopback that answers as Hugging Face does, and can misbehave."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self


@dataclass
class FakeModelHub:
    """`files` by path under /. `cut_after` closes the connection after so many bytes of a body, once per entry."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    wrong_checksum: bool = False
    without_ranges: bool = False
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    sent_bytes: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def offer(self, repository: str, path: str, content: bytes) -> None:
        self.files[f"/{repository}/resolve/main/{path}"] = content


class _Handler(BaseHTTPRequestHandler):
    fake: "FakeModelHub"

    def do_HEAD(self) -> None:
        self._answer(is_body_wanted=False)

    def do_GET(self) -> None:
        self._answer(is_body_wanted=True)

    def _answer(self, *, is_body_wanted: bool) -> None:
        wanted_range = self.headers["Range"]
        self.fake.requests.append((self.command, self.path, wanted_range))
        if self.path.startswith("/storage"):
            self._stored(self.fake.files[self.path.removeprefix("/storage")], wanted_range, is_body_wanted)
        elif self.path not in self.fake.files:
            self._head(404, {"Content-Length": "0"})
        else:
            self._redirect(self.fake.files[self.path])

    def _redirect(self, content: bytes) -> None:
        """Large files are elsewhere; this answer names their size and SHA-256, as Hugging Face does."""
        digest = hashlib.sha256(content + (b"?" if self.fake.wrong_checksum else b"")).hexdigest()
        headers = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{digest}"', "Content-Length": "0"}
        self._head(302, {"Location": f"/storage{self.path}", **headers})

    def _stored(self, content: bytes, wanted_range: str | None, is_body_wanted: bool) -> None:
        start = int(wanted_range.removeprefix("bytes=").rstrip("-")) if wanted_range else 0
        if self.fake.without_ranges:
            start = 0
        body = content[start:]
        headers = {"Content-Length": str(len(body)), "ETag": '"of-the-storage"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(206 if start else 200, headers)
        if not is_body_wanted:
            return
        if self.fake.cut_after:
            body = body[: self.fake.cut_after.pop(0)]
        self.fake.sent_bytes[self.path] += len(body)
        self.wfile.write(body)
        self.close_connection = True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """A quiet server."""
