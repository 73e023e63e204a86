#!/bin/sh
# Usage: sh requirements/install.sh NAME...
# Makes .venv where there is none, and installs requirements/NAME.txt into it, pinned and hashed. It adds and changes
# packages and removes none, so `./start` leaves what `./test` installed. Whatever was interrupted is done again.
# Needs no root. The last line says nothing when all was there already.
set -eu
cd "$(dirname "$0")/.."

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# A Python that can make virtual environments; Debian keeps that part in a package of its own.
find_python() {
    without_venv=
    for name in ${HUB_PYTHON:-python3.13 python3.12 python3.11 python3}; do
        command -v "$name" >/dev/null 2>&1 && is_new_enough "$name" || continue
        if "$name" -c 'import venv, ensurepip' 2>/dev/null; then
            python=$name
            return
        fi
        without_venv=${without_venv:-$("$name" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')}
    done
    [ -z "$without_venv" ] || fail "Python's venv module is missing. Install it: sudo apt install $without_venv"
    fail "Python 3.11 or newer is needed. Install it: sudo apt install python3 python3-venv"
}

digest() {
    .venv/bin/python -c '
import hashlib, sys
from pathlib import Path
print(hashlib.sha256(b"".join(map(Path.read_bytes, map(Path, sys.argv[1:]))) + sys.version.encode()).hexdigest())
' "$@"
}

is_stamped() {
    [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

if ! { [ -x .venv/bin/python ] && is_new_enough .venv/bin/python; }; then
    find_python
    echo "Making the Python environment .venv ..."
    "$python" -m venv --clear .venv
fi

bootstrap=$(digest requirements/bootstrap.txt)
if ! is_stamped .venv/.installed-bootstrap "$bootstrap"; then
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null ||
        fail "The environment .venv is damaged. Remove the folder .venv and start again."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes -r requirements/bootstrap.txt
    echo "$bootstrap" >.venv/.installed-bootstrap
fi

files=
key=
for name in "$@"; do
    files="$files requirements/$name.txt"
    key="$key-$name"
done
# The names of our own files have no spaces, so the list may be split.
# shellcheck disable=SC2086
wanted=$(digest $files)
is_stamped ".venv/.installed$key" "$wanted" && exit 0

echo "Installing what the hub needs, for the first time or after a change; this takes some minutes ..."
arguments=
for file in $files; do
    arguments="$arguments -r $file"
done
# shellcheck disable=SC2086
VIRTUAL_ENV="$PWD/.venv" UV_PYTHON_DOWNLOADS=never .venv/bin/uv pip install --quiet --python .venv/bin/python \
    --require-hashes $arguments
echo "$wanted" >".venv/.installed$key"
