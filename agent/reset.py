"""Factory reset: forget key, claim and journal."""

import sys
from pathlib import Path

from agent.app import LOCK_FILE, DataDirLock
from agent.files import remove
from agent.identity import ENROLLMENT_FILE, KEY_FILE, NEXT_KEY_FILE
from agent.journal import JOURNAL_FILE
from agent.qr import PNG_FILE
from agent.transfer import TRANSFER_FILE

# The keys first: what is left without it is dropped at the next start.
_FILES = (NEXT_KEY_FILE, KEY_FILE, ENROLLMENT_FILE, TRANSFER_FILE, JOURNAL_FILE, PNG_FILE, LOCK_FILE)


def reset(data_dir: Path, *, is_confirmed: bool) -> int:
    """The exit code. Removes the agent's own files only. Raises AgentError while an agent runs."""
    if not data_dir.is_dir():
        print(f"There is nothing to reset in {data_dir}.")
        return 0
    if not is_confirmed and not _asks(data_dir):
        print("Nothing was changed.")
        return 1
    lock = DataDirLock(data_dir)
    for name in _FILES:
        remove(data_dir / name)
    lock.release()
    print("This device has forgotten its home. Remove it on its page in the hub, too.")
    return 0


def _asks(data_dir: Path) -> bool:
    if not sys.stdin.isatty():
        print("To reset without being asked, add --yes.")
        return False
    answer = input(f"Forget key and home in {data_dir}? Type yes: ")
    return answer.strip().lower() == "yes"
