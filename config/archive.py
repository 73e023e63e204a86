"""The file of a backup: a tar stream, encrypted in the format of age before any of it reaches the disk.

For a passphrase it is a plain tar of two age files, which `age` opens as well: key.age, made with the passphrase, holds
the key of backup.age. The last file inside is manifest.json, so one that was cut short is noticed.
"""

import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import pyrage
from pyrage import passphrase, x25519

from config.errors import StartError

VERSION: Final = 1
_MANIFEST: Final = "manifest.json"
_KEY, _DATA = "key.age", "backup.age"
_AGE_MAGIC: Final = b"age-encryption.org/"
_PIECE: Final = 1 << 20


class BackupError(StartError):
    """In words for whoever ran the command."""


class Packer:
    """Adds files to a tar stream, and remembers their checksums."""

    def __init__(self, tar: tarfile.TarFile, about: dict[str, str]) -> None:
        self._tar = tar
        self._about = about
        self._sums: dict[str, str] = {}

    def add(self, name: str, path: Path) -> None:
        """As long as the file is now; one that goes away meanwhile is left out."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            self._write(name, file, os.fstat(file.fileno()).st_size)

    def add_bytes(self, name: str, data: bytes) -> None:
        self._write(name, io.BytesIO(data), len(data))

    def finish(self) -> int:
        """Writes the manifest. How many files there are."""
        manifest = {"version": VERSION, **self._about, "files": self._sums}
        self.add_bytes(_MANIFEST, json.dumps(manifest, indent=1).encode())
        return len(self._sums) - 1

    def _write(self, name: str, file: IO[bytes], size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        reader = _Summing(file, size)
        self._tar.addfile(info, reader)
        self._sums[name] = reader.digest.hexdigest()


class _Summing:
    """A file that is read once, to `size` and no further: a recording may grow meanwhile."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self.digest.update(data)
        return data


def pack(
    target: Path, fill: Callable[[tarfile.TarFile], None], *, recipient: str = "", phrase: str = ""
) -> None:
    """`fill` adds the files. Raises BackupError; then there is no file `target`, or the one that was there before."""
    aside = target.with_name(f".{target.name}.part")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            if recipient:
                _encrypt(file, fill, _recipient(recipient))
            else:
                _encrypt_for_phrase(file, fill, phrase)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _recipient(text: str) -> x25519.Recipient:
    try:
        return x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise BackupError(
            "That is no recipient of age; one looks like age1… (age-keygen makes it)."
        ) from None


def _encrypt_for_phrase(file: IO[bytes], fill: Callable[[tarfile.TarFile], None], phrase: str) -> None:
    """The size of what is encrypted is not known before, so its header is written last, over an empty one."""
    identity = x25519.Identity.generate()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        key = passphrase.encrypt(str(identity).encode(), phrase)
        info = tarfile.TarInfo(_KEY)
        info.size, info.mode = len(key), 0o600
        tar.addfile(info, io.BytesIO(key))
        begin = file.tell()
        file.write(bytes(tarfile.BLOCKSIZE))
        _encrypt(file, fill, identity.to_public())
        data = tarfile.TarInfo(_DATA)
        data.size, data.mode = file.tell() - begin - tarfile.BLOCKSIZE, 0o600
        file.write(bytes(-data.size % tarfile.BLOCKSIZE))
        end = file.tell()
        file.seek(begin)
        file.write(data.tobuf(tarfile.GNU_FORMAT))
        file.seek(end)
        tar.offset = end


def _encrypt(file: IO[bytes], fill: Callable[[tarfile.TarFile], None], recipient: x25519.Recipient) -> None:
    """age reads what tar writes: a pipe between two threads."""

    def write(end: IO[bytes]) -> None:
        with tarfile.open(fileobj=end, mode="w|", bufsize=_PIECE) as tar:
            fill(tar)

    with _pipe(write) as reader:
        pyrage.encrypt_io(reader, file, [recipient])


@contextmanager
def _pipe(write: Callable[[IO[bytes]], None]) -> Iterator[IO[bytes]]:
    """What `write` writes in a thread can be read here. Raises what it raised."""
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with os.fdopen(writing, "wb") as end:
                write(end)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that reads
            failed.append(error)

    thread = threading.Thread(target=run, name="backup", daemon=True)
    thread.start()
    try:
        with os.fdopen(reading, "rb") as reader:
            yield reader
    finally:
        thread.join()
    if failed:
        raise failed[0]


def unpack(source: Path, folder: Path, *, identity: str = "", phrase: str = "") -> dict[str, Any]:
    """Every file below `folder`, checked against the manifest, which is returned. Raises BackupError."""
    try:
        with source.open("rb") as file:
            if file.read(len(_AGE_MAGIC)) == _AGE_MAGIC:
                file.seek(0)
                sums = _extract(file, _identity(identity), folder)
            else:
                file.seek(0)
                sums = _extract_with_phrase(file, phrase, folder)
    except (pyrage.DecryptError, tarfile.TarError, EOFError) as error:
        raise BackupError(f"This does not open: another key, or a damaged file ({error}).") from None
    return _checked(folder, sums)


def _identity(text: str) -> x25519.Identity:
    lines = [line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]
    try:
        return x25519.Identity.from_str(lines[0])
    except (IndexError, pyrage.IdentityError):
        raise BackupError(
            "This backup was made for a recipient: --identity names the file with their key."
        ) from None


def _extract_with_phrase(file: IO[bytes], phrase: str, folder: Path) -> dict[str, str]:
    if not phrase:
        raise BackupError("This backup was made with a passphrase: --passphrase-file names the file with it.")
    with tarfile.open(fileobj=file, mode="r:") as tar:
        parts = {name: tar.extractfile(name) for name in (_KEY, _DATA) if name in tar.getnames()}
        key, data = parts.get(_KEY), parts.get(_DATA)
        if key is None or data is None:
            raise BackupError("This is no backup of a hub.")
        identity = passphrase.decrypt(key.read(), phrase).decode()
        return _extract(data, x25519.Identity.from_str(identity), folder)


def _extract(file: IO[bytes], identity: x25519.Identity, folder: Path) -> dict[str, str]:
    """The checksum of each file that was written."""
    with _pipe(lambda end: pyrage.decrypt_io(file, end, [identity])) as reader:
        with tarfile.open(fileobj=reader, mode="r|") as tar:
            sums = {
                info.name: _put(tar.extractfile(info), folder, info.name) for info in tar if info.isfile()
            }
        while reader.read(_PIECE):  # what tar leaves of the last block; age checks it, too
            pass
    return sums


def _put(file: IO[bytes] | None, folder: Path, name: str) -> str:
    """Below the folder and nowhere else, mode 0600."""
    relative = PurePosixPath(name)
    if file is None or relative.is_absolute() or ".." in relative.parts:
        raise BackupError("This backup names a file outside of itself.")
    path = folder.joinpath(*relative.parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        while data := file.read(_PIECE):
            digest.update(data)
            target.write(data)
    return digest.hexdigest()


def _checked(folder: Path, sums: dict[str, str]) -> dict[str, Any]:
    sums.pop(_MANIFEST, None)
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
    except FileNotFoundError:
        raise BackupError("This backup ends too early: it was cut short.") from None
    if manifest.get("version") != VERSION:
        raise BackupError("This backup was made by another version of the hub.")
    if sums != manifest["files"]:
        raise BackupError("This backup is not whole: a file is missing, or is another one.")
    return manifest
