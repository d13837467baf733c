"""PostgreSQL for Alerta, on loopback, with a database of its own that is thrown away.

``postgres`` refuses to run as root, as one is in a container: then it runs as ``postgres`` or ``nobody``.
Run as ``python -m sandbox.servers.postgres --programs DIR --data DIR --port N --password-file FILE``.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

from sandbox.errors import ServerFailedError
from sandbox.ports import HOST
from sandbox.processes import PR_SET_PDEATHSIG
from sandbox.servers.server import python_module

USER = "alerta"
DATABASE = "postgres"
CLUSTER = "cluster"
ACCOUNTS = ("postgres", "nobody")
# The data live as long as one test run: nothing has to survive a power cut.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "jit": "off",
    "shared_buffers": "16MB",
    "max_connections": "30",
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def account() -> pwd.struct_passwd | None:
    """Return the account PostgreSQL runs under where this process is root's, None where it is not.

    Raises:
        ServerFailedError: this machine has no such account.
    """
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerFailedError(f"PostgreSQL refuses to run as root, and there is no account {ACCOUNTS[0]}.")


def command(programs: Path, data: Path, port: int, password_file: Path, *, tethered: bool) -> tuple[str, ...]:
    """Return the command line that makes the database in the empty folder ``data`` and serves it.

    ``tethered``: it dies with this process.
    """
    return python_module(
        "sandbox.servers.postgres",
        *("--programs", str(programs), "--data", str(data), "--port", str(port)),
        *("--password-file", str(password_file)),
        *(("--tethered-to", str(os.getpid())) if tethered else ()),
    )


def serves(data: Path) -> bool:
    """Return whether the server over ``data`` takes connections, as it says itself in ``postmaster.pid``."""
    try:
        return (data / CLUSTER / "postmaster.pid").read_text().splitlines()[-1].strip() == "ready"
    except (OSError, IndexError):
        return False


def environment(programs: Path) -> dict[str, str]:
    """Return what the programs need around them: the libraries that were unpacked with them, if any."""
    if programs.parts[-5:-2] != ("usr", "lib", "postgresql") or len(programs.parts) == 6:
        return {}  # not Debian's layout, or Debian's own place: /usr/lib/postgresql/15/bin
    libraries = [str(folder) for folder in programs.parents[2].glob("*-linux-gnu*")]
    if not libraries:
        return {}
    return {"LD_LIBRARY_PATH": os.pathsep.join(libraries)}


def _give_up_root(owner: pwd.struct_passwd, data: Path, program: Path) -> None:
    os.chown(data, owner.pw_uid, owner.pw_gid)
    os.setgroups([])
    os.setgid(owner.pw_gid)
    os.setuid(owner.pw_uid)
    os.environ["HOME"] = str(data)
    os.chdir(data)
    if not os.access(program, os.X_OK):
        sys.exit(
            f"{program} cannot be reached by {owner.pw_name}, as whom PostgreSQL runs here: it refuses root. "
            "Set SANDBOX_TOOLS to a folder whose parents everybody may enter, or do not run this as root."
        )


def main() -> None:
    """Make the database and become its server."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--programs", "--data", "--password-file"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tethered-to", type=int)
    options = parser.parse_args()
    password = options.password_file.read_text()
    if (owner := account()) is not None:
        _give_up_root(owner, options.data, options.programs / "postgres")
    if options.tethered_to:
        _tether(options.tethered_to)
    _make(options.programs, options.data, password)
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    server = str(options.programs / "postgres")
    cluster = str(options.data / CLUSTER)
    os.execv(server, [server, "-D", cluster, "-p", str(options.port), *settings])  # noqa: S606 no shell is wanted


def _tether(parent: int) -> None:
    # Changing the account took away the tether with which this process was started.
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("whoever started this has died")


def _make(programs: Path, data: Path, password: str) -> None:
    secret = data / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    subprocess.run(
        (
            str(programs / "initdb"),
            *("--pgdata", str(data / CLUSTER), "--username", USER, "--pwfile", str(secret)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
            "--no-instructions",
        ),
        check=True,
    )
    secret.unlink()


if __name__ == "__main__":
    main()
