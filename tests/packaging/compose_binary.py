"""Getting a docker-compose that checks configurations: no container engine, no root, nothing installed.

A Compose v2 on PATH is taken as it is. Else the package of Debian 13 is downloaded from the mirror that this
machine uses already, and unpacked into the sandbox's tools.
"""

from __future__ import annotations

import fcntl
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from sandbox.layout import default_tools

SUITE = "trixie"  # the first Debian whose docker-compose is v2
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PLUGIN = Path("usr/libexec/docker/cli-plugins/docker-compose")
SECONDS = 600


class ComposeMissingError(RuntimeError):
    """No docker-compose can be had on this machine; the message says what to install."""


def compose_command() -> tuple[str, ...]:
    """Return the command line that runs Compose v2.

    Raises:
        ComposeMissingError: There is none on PATH, and none can be unpacked here.
    """
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) and _is_v2(command):
            return command
    return (str(_unpacked(default_tools())),)


def _is_v2(command: tuple[str, ...]) -> bool:
    answer = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
    major = answer.stdout.strip().removeprefix("v").partition(".")[0]
    return answer.returncode == 0 and major.isdigit() and int(major) >= 2


def _unpacked(tools: Path) -> Path:
    program = tools / "packages" / "docker-compose" / PLUGIN
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / ".compose-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.is_file():
            _unpack(tools)
    return program


def _unpack(tools: Path) -> None:
    if not (KEYRING.is_file() and shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ComposeMissingError(
            "No Compose v2 on PATH (`docker compose version`), and this is no Debian from whose packages it "
            "could be unpacked. Install Docker's compose plugin."
        )
    with tempfile.TemporaryDirectory(dir=tools) as parent:
        folder = Path(parent)
        options = _own_lists(folder)
        _run("apt-get", *options, "-qq", "update", folder=folder)
        _run("apt-get", *options, "-qq", "download", "docker-compose", folder=folder)
        archive = next(folder.glob("docker-compose_*.deb"))
        _run("dpkg-deb", "-x", str(archive), "unpacked", folder=folder)
        destination = tools / "packages" / "docker-compose"
        destination.parent.mkdir(exist_ok=True)
        shutil.rmtree(destination, ignore_errors=True)
        (folder / "unpacked").rename(destination)


def _own_lists(folder: Path) -> tuple[str, ...]:
    """Return apt's options for lists and a cache of its own: no root, the machine's sources stay."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {_mirror(folder)} {SUITE} main\n")
    settings = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "APT::Sandbox::User": "root",  # else root hands the download to a user who cannot write here
        "Acquire::Languages": "none",
    }
    return tuple(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))


def _mirror(folder: Path) -> str:
    """Return the address of the mirror that the machine's own sources name for Debian."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", SUITE)
    wanted = ("Created-By: Packages", f"Release: {release}", "Component: main")
    targets = _run(
        "apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI)", *wanted, folder=folder
    )
    if not targets.split():
        raise ComposeMissingError(
            "No Compose v2 on PATH, and apt's sources name no mirror of Debian that has it."
        )
    return targets.split()[0]


def _run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        tail = "\n  ".join((done.stderr or done.stdout).splitlines()[-10:])
        raise ComposeMissingError(
            f"`{' '.join(command)}` failed:\n  {tail}\nCheck the network; or install Compose."
        )
    return done.stdout
