"""Fetch a model of the catalogue: resumable, checked, and in place only when it is whole."""

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from django.conf import settings

from common.speech_models.catalogue import DEFAULT_HUB_URL, CatalogueModel, catalogue_model
from common.speech_models.errors import DownloadFailed, ModelMissing
from common.speech_models.manifest import Manifest, describe_files, manifest_write
from common.speech_models.progress import Progress, State, progress_write
from common.speech_models.store import InstalledModel, downloads_root, find
from common.speech_models.transfer import RemoteFile, file_fetch, remote_file
from common.words import size_words

_PARTIAL_FOLDER = ".downloads"
_REPORT_EVERY_S = 0.5
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_SPARE_BYTES = 50_000_000

OnProgress = Callable[[Progress], None]


def download(model_id: str, on_progress: OnProgress = lambda progress: None) -> InstalledModel:
    """Install a model of the catalogue; one that is installed already is returned as it is.

    Slow: hundreds of megabytes. `on_progress` is called from this thread about twice a second.
    Raises ModelMissing for an unknown id, DownloadFailed with a sentence for the user.
    """
    entry = catalogue_model(model_id)
    report = _Reporter(entry, on_progress)
    with _only_one(entry.id) as partial:
        try:
            return find(model_id)
        except ModelMissing:
            pass
        try:
            return _install(entry, partial, report)
        except DownloadFailed as error:
            report.end(State.FAILED, str(error))
            raise
        except OSError as error:
            reason = f"The model could not be stored: {error.strerror}."
            report.end(State.FAILED, reason)
            raise DownloadFailed(reason) from error


def _install(entry: CatalogueModel, partial: Path, report: "_Reporter") -> InstalledModel:
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        files = [
            remote_file(client, f"{_hub_url()}/{entry.repository}/resolve/main/{path}")
            for path in entry.paths
        ]
        report.total(sum(file.size_bytes for file in files))
        _check_space(partial, files)
        for file in files:
            file_fetch(client, file, partial / file.name, report.received)
    report.end(State.CHECKING)
    manifest = Manifest(
        id=entry.id,
        kind=entry.kind,
        name=entry.name,
        language=entry.language,
        licence=entry.licence,
        is_demo=False,
        source=f"{_hub_url()}/{entry.repository}",
        files=describe_files(partial, entry.file_names),
    )
    manifest_write(partial, manifest)
    folder = downloads_root() / entry.id
    shutil.rmtree(folder, ignore_errors=True)  # a damaged one, or find() would have found it
    partial.rename(folder)
    report.end(State.READY)
    return InstalledModel(manifest, folder, is_shipped=False)


def _hub_url() -> str:
    return str(getattr(settings, "SPEECH_MODELS_HUB_URL", DEFAULT_HUB_URL)).rstrip("/")


def _check_space(partial: Path, files: list[RemoteFile]) -> None:
    there = sum(path.stat().st_size for path in partial.iterdir())
    needed = sum(file.size_bytes for file in files) - there + _SPARE_BYTES
    free = shutil.disk_usage(partial).free
    if free < needed:
        figures = f"{size_words(needed)} needed, {size_words(free)} free"
        raise DownloadFailed(f"There is not enough room on the disk: {figures}.")


@contextmanager
def _only_one(model_id: str) -> Iterator[Path]:
    """The folder for what arrives; the lock goes with the process that holds it."""
    partial = downloads_root() / _PARTIAL_FOLDER / model_id
    partial.mkdir(parents=True, exist_ok=True)
    with partial.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadFailed(f"“{model_id}” is already being downloaded.") from error
        yield partial


class _Reporter:
    """Tells the caller and the status page, at most twice a second."""

    def __init__(self, entry: CatalogueModel, on_progress: OnProgress) -> None:
        self._tell = on_progress
        self._told_at = float("-inf")
        self._progress = Progress(
            model_id=entry.id,
            state=State.DOWNLOADING,
            received_bytes=0,
            total_bytes=entry.size_bytes,
            updated_at_s=time.time(),
        )

    def total(self, total_bytes: int) -> None:
        self._change(replace(self._progress, total_bytes=total_bytes))

    def received(self, count: int) -> None:
        """`count` more bytes are on disk; negative when a file has to begin again."""
        self._progress = replace(self._progress, received_bytes=self._progress.received_bytes + count)
        if time.monotonic() - self._told_at >= _REPORT_EVERY_S:
            self._change(self._progress)

    def end(self, state: State, reason: str = "") -> None:
        self._change(replace(self._progress, state=state, reason=reason))

    def _change(self, progress: Progress) -> None:
        self._told_at = time.monotonic()
        self._progress = replace(progress, updated_at_s=time.time())
        progress_write(self._progress)
        self._tell(self._progress)
