"""Where the sockets of a process lead."""

import re
import subprocess
from collections import Counter
from collections.abc import Collection
from typing import Final

import psutil

# `ss -xnpH`: kind, state, two queues, path and inode here, path and inode there, who has it open
_LINE: Final = re.compile(
    r'(?:\S+\s+){4}\S+ (?P<here>\d+)\s+\S+ (?P<there>\d+)(?:.*\("(?P<program>[^"]+)",pid=(?P<pid>\d+))?'
)


def ends_of(pids: Collection[int]) -> Counter[str]:
    """How many sockets, by the program at the other end of a unix socket, or else by kind."""
    listed = subprocess.run(["ss", "-xnpH"], capture_output=True, text=True, check=True).stdout
    lines = [found.groupdict() for found in map(_LINE.match, listed.splitlines()) if found]
    programs = {line["here"]: line["program"] for line in lines}
    ends = Counter(
        f"to {programs.get(line['there']) or 'nobody'}" for line in lines if int(line["pid"] or 0) in pids
    )
    for pid in pids:
        for socket in psutil.Process(pid).net_connections("inet"):
            ends[f"{socket.type.name[5:].lower()} {socket.status.lower()}".removesuffix(" none")] += 1
    return ends
