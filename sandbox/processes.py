"""Starting, recognising and ending the processes of the sandbox.

Each process leads its own process group and has a record (pid and start time) on disk, so that ``down`` ends
exactly what ``up`` started, also after a crash, and never a stranger that got the same pid later.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError

GRACE_SECONDS = 10.0
KILL_SECONDS = 5.0
POLL_SECONDS = 0.05
PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Passed on to servers; everything else of the caller's environment (MODE=..., HOST=...) could change them.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Record:
    """One started process, as recorded on disk.

    Attributes:
        name: of the server.
        pid: also the id of its process group.
        started: an opaque mark of when this pid began, compared before anything is done to it.
        url: where it listens.
        health: path that answers 200 when it serves.
    """

    name: str
    pid: int
    started: str
    url: str
    health: str


def start_mark(pid: int) -> str | None:
    """Return a mark that tells this process from a later one with the same pid; None if none is alive."""
    stat = _stat(pid)
    if stat is not None:
        return stat[19]
    if Path("/proc/self/stat").exists():
        return None
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat after the command name: state is 0, pgrp 2, start time 19.

    None for a process that is gone, or that only waits for its parent to take note of its end. (The first
    thread of a process may have ended, state Z, while others still hold its ports.)
    """
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" and len(list((folder / "task").iterdir())) == 1 else fields
    except OSError:
        return None


def start(
    name: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    tethered: bool,
) -> subprocess.Popen[bytes]:
    """Start a program in its own session with its output in ``log``; ``tethered``: it dies with this process.

    Raises:
        OSError: the program cannot be started.
    """
    inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
    with log.open("ab") as output:
        output.write(f"--- {name}: {' '.join(arguments)}\n".encode())
        output.flush()
        return subprocess.Popen(
            list(arguments),
            cwd=folder,
            env={**inherited, "TZ": "UTC", **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_tether(os.getpid()) if tethered else None,  # noqa: PLW1509 one prctl, no lock is taken
        )


def _tether(parent: int) -> Any:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)

    def die_with_parent() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return die_with_parent


def write_record(folder: Path, record: Record) -> None:
    """Store the record of a started process, atomically."""
    replace(folder / f"{record.name}.json", json.dumps(asdict(record)) + "\n")


def replace(path: Path, content: str, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old or the new content, never a part, with this mode."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(content)
    part.replace(path)


def read_records(folder: Path) -> list[Record]:
    """Return the records on disk, oldest name order; one that cannot be read is left out."""
    records = []
    for path in sorted(folder.glob("*.json")):
        try:
            records.append(Record(**json.loads(path.read_text())))
        except (ValueError, TypeError):
            continue
    return records


def is_running(record: Record) -> bool:
    """Return whether the very process of this record is alive."""
    return start_mark(record.pid) == record.started


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a process, None where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def _members(record: Record) -> list[int]:
    """Return the living processes of the record's group, none if the pid now belongs to somebody else."""
    mark = start_mark(record.pid)
    if mark is not None and mark != record.started:
        return []
    if not Path("/proc/self/stat").exists():
        return [record.pid] if mark else []
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            stat = _stat(int(entry.name))
            if stat is not None and int(stat[2]) == record.pid:
                members.append(int(entry.name))
    return members


def stop(
    records: Iterable[Record], children: Mapping[int, subprocess.Popen[bytes]] | None = None
) -> list[str]:
    """End the process groups of these records: TERM, then KILL after ten seconds.

    ``children`` are those among them that this process started itself, to be reaped.
    Returns the names of those that were still running.

    Raises:
        SandboxError: some could not be ended.
    """
    left = [record for record in records if _members(record)]
    ended = [record.name for record in left]
    for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        for record in left:
            _signal(record.pid, number)
        left = _wait_until_gone(left, patience, children or {})
        if not left:
            break
    for child in (children or {}).values():
        child.poll()
    if left:
        raise SandboxError(
            f"These could not be ended: {', '.join(f'{record.name} (pid {record.pid})' for record in left)}. "
            "Do they belong to another user? Run `python -m sandbox down` as that user."
        )
    return ended


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _wait_until_gone(
    records: list[Record], patience: float, children: Mapping[int, subprocess.Popen[bytes]]
) -> list[Record]:
    deadline = time.monotonic() + patience
    while True:
        for child in children.values():
            child.poll()
        records = [record for record in records if _members(record)]
        if not records or time.monotonic() > deadline:
            return records
        time.sleep(POLL_SECONDS)
