"""Getting Alerta and its PostgreSQL, for the tests of drills; nothing is installed into the machine.

Alerta comes from PyPI at the versions of ``alerta-requirements.txt``, into an environment of its own, because
it clashes with Airflow's packages. PostgreSQL is the machine's, else it is unpacked from the distribution's
packages without root, with those libraries that the machine lacks.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from sandbox.errors import ProgramsMissingError
from sandbox.locks import locked
from sandbox.packages import apt_options, can_unpack, run

ALERTA_REQUIREMENTS = Path(__file__).resolve().parent / "alerta-requirements.txt"
SYSTEM = Path("/")


def fetch_postgres(tools: Path, progress: Callable[[str], None]) -> Path:
    """Return the folder with PostgreSQL's ``postgres`` and ``initdb``, unpacked if there is none.

    Raises:
        ProgramsMissingError: PostgreSQL cannot be had on this machine; the message says what to do.
    """
    home = tools / "packages" / "postgresql"
    with locked(tools / ".lock"):
        if (found := postgres_folder(home)) is not None:
            return found
        if not can_unpack():
            raise ProgramsMissingError(
                "No PostgreSQL: neither are postgres and initdb on PATH, nor is this a Debian or Ubuntu with "
                "apt-get and dpkg-deb. Install PostgreSQL so that both are on PATH."
            )
        progress(f"getting postgresql (into {tools}, nothing is installed)")
        _unpack_with_libraries(tools, "postgresql", home)
        if (found := postgres_folder(home)) is None:
            raise ProgramsMissingError(f"The package postgresql, unpacked into {home}, holds no postgres.")
        return found


def postgres_folder(unpacked: Path) -> Path | None:
    """Return the folder of PostgreSQL's programs: from PATH, else Debian's own place, else ``unpacked``."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for root in (SYSTEM, unpacked):
        folders += sorted((root / "usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    return next((folder for folder in folders if _has_server(folder)), None)


def _has_server(folder: Path) -> bool:
    return (folder / "postgres").is_file() and (folder / "initdb").is_file()


def _version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdecimal() else 0


def _unpack_with_libraries(tools: Path, package: str, destination: Path) -> None:
    """Unpack a package and everything it depends on that this machine lacks, beside each other."""
    apt = tools / "apt"
    options = (*apt_options(apt), "-o", "Debug::NoLocking=1")
    with tempfile.TemporaryDirectory(dir=tools) as folder:
        run(("apt-get", *options, "-qq", "update"), Path(folder))
        wanted = ("--yes", "--download-only", "--no-install-recommends", "install", package)
        run(("apt-get", *options, "-qq", *wanted), Path(folder))
        unpacked = Path(folder) / package
        for archive in sorted((apt / "cache" / "archives").glob("*.deb")):
            run(("dpkg-deb", "-x", str(archive), str(unpacked)), Path(folder))
        destination.parent.mkdir(exist_ok=True)
        shutil.rmtree(destination, ignore_errors=True)
        unpacked.rename(destination)
    shutil.rmtree(apt, ignore_errors=True)


def fetch_alerta(tools: Path, progress: Callable[[str], None]) -> Path:
    """Return Alerta's ``alertad`` in an environment of its own, made if missing or of other versions.

    Raises:
        ProgramsMissingError: the environment cannot be made, or pip failed.
    """
    home = tools / "alerta"
    with locked(tools / ".alerta.lock"):
        wanted = ALERTA_REQUIREMENTS.read_bytes()
        installed = home / "installed.txt"  # written last
        if not (installed.is_file() and installed.read_bytes() == wanted):
            progress(f"getting Alerta (pip, into {home})")
            python = str(home / "bin" / "python")
            run((sys.executable, "-m", "venv", "--clear", str(home)), tools)
            run((python, "-m", "pip", "install", "-qq", "-r", str(ALERTA_REQUIREMENTS)), tools)
            installed.write_bytes(wanted)
    return home / "bin" / "alertad"
