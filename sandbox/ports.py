"""Which port each server listens on: ``SANDBOX_<NAME>_PORT``, else a free one."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping

from sandbox.errors import PortError

HOST = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections (32768 and up), so that a port
# found free is not gone again before its server binds it.
FREE_RANGE = range(20_000, 32_000)
ATTEMPTS = 500


def variable(name: str) -> str:
    """Return the name of the environment variable that sets the port of ``name``."""
    return f"SANDBOX_{name.upper()}_PORT"


def is_free(port: int) -> bool:
    """Return whether a server could listen on ``port`` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT can be used.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(names: Iterable[str], environment: Mapping[str, str]) -> dict[str, int]:
    """Return a port for each name: the configured one, else a free one; no port twice.

    Raises:
        PortError: a configured value is not a port, is used twice, or is taken by another program.
    """
    names = list(names)
    chosen: dict[str, int] = {}
    for name in names:
        if value := environment.get(variable(name), "").strip():
            port = _configured(variable(name), value)
            if owner := next((other for other, used in chosen.items() if used == port), None):
                raise PortError(
                    f"{variable(name)}={value}: {variable(owner)} has the same port. "
                    "Give each server its own port, or unset one of the two."
                )
            chosen[name] = port
    for name in names:
        if name not in chosen:
            chosen[name] = _free_port(set(chosen.values()))
    return chosen


def _configured(setting: str, value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 65_535:
        raise PortError(
            f"{setting}={value}: not a port. Use a number from 1 to 65535, or unset it for a free port."
        )
    port = int(value)
    if not is_free(port):
        raise PortError(
            f"{setting}={value}: port {port} of {HOST} cannot be used: another program has it, or it needs "
            f"more rights. Choose another port, end that program, or unset {setting} to take a free one."
        )
    return port


def _free_port(taken: set[int]) -> int:
    for _ in range(ATTEMPTS):
        port = random.choice(FREE_RANGE)
        if port not in taken and is_free(port):
            return port
    raise PortError(f"No free port found on {HOST} between {FREE_RANGE.start} and {FREE_RANGE.stop - 1}.")
