"""What every server module is given, and what it returns."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.layout import REPOSITORY, Layout
from sandbox.ports import HOST

REQUEST_SECONDS = 5.0


@dataclass(frozen=True)
class Site:
    """What a server needs to know to be configured.

    Attributes:
        layout: the folders.
        ports: the port of each server that runs; a server not in it does not run.
        programs: the path of each program.
        receipts_url: where Alertmanager delivers what on-call must see.
        receiver_token_file: holds the bearer token for that URL, if it needs one.
    """

    layout: Layout
    ports: Mapping[str, int]
    programs: Mapping[str, Path]
    receipts_url: str | None = None
    receiver_token_file: Path | None = None

    def address(self, server: str) -> str:
        """Return ``host:port`` of a server that runs."""
        return f"{HOST}:{self.ports[server]}"

    def url(self, server: str) -> str:
        """Return the base URL of a server that runs, without a slash at the end."""
        return f"http://{self.address(server)}"


@dataclass(frozen=True)
class Server:
    """One process to start and watch.

    Attributes:
        name: names its log, its record and its port variable.
        arguments: command line.
        url: where it listens.
        health: path that answers 200 when it serves.
        folder: it is started there.
        environment: on top of the little that is inherited.
        patience: seconds it may take until it serves.
        ready: a further condition after ``health``; may raise OSError for "not yet".
    """

    name: str
    arguments: tuple[str, ...]
    url: str
    health: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 30.0
    ready: Callable[[], bool] | None = None


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line that runs one of the sandbox's own modules with this Python."""
    return (sys.executable, "-m", module, *arguments)


# The sandbox is run from a checkout, and is no installed package.
PYTHON_ENVIRONMENT: Mapping[str, str] = {
    "PYTHONPATH": os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH")))),
    "PYTHONUNBUFFERED": "1",
}


def answers(url: str) -> bool:
    """Return whether a GET of ``url`` is answered with a 2xx status."""
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_SECONDS) as response:  # noqa: S310 our own http:// URL
            return 200 <= int(response.status) < 300
    except (OSError, urllib.error.URLError):
        return False


def get_json(url: str) -> Any:
    """Return the JSON that ``url`` answers; raises OSError or ValueError when it does not."""
    with urllib.request.urlopen(url, timeout=REQUEST_SECONDS) as response:  # noqa: S310 our own http:// URL
        return json.load(response)


def post(url: str) -> None:
    """POST nothing to ``url``; raises OSError (HTTPError) when it is not answered with a 2xx status."""
    request = urllib.request.Request(url, data=b"", method="POST")  # noqa: S310 our own http:// URL
    with urllib.request.urlopen(request, timeout=REQUEST_SECONDS):  # noqa: S310 our own http:// URL
        return
