"""Alerta, where people see alerts and acknowledge them, over a PostgreSQL of its own.

It is no part of the stack: whoever needs it starts it with :class:`Alerta`, a context manager.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from sandbox import pager_packages, ports, processes
from sandbox.errors import ServerFailedError
from sandbox.layout import default_tools
from sandbox.servers import postgres
from sandbox.servers.server import PYTHON_ENVIRONMENT, REQUEST_SECONDS, answers

ADMIN = "admin@shop.test"
# A severity that Alerta does not know is answered 500, an environment 403; by default it knows none of ours.
SEVERITIES = {
    "critical": 1,
    "page": 1,
    "major": 2,
    "warning": 4,
    "ticket": 4,
    "informational": 6,
    "normal": 9,
}
ENVIRONMENTS = ("production", "Production", "Development")
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05


class Alerta:
    """Alerta and its PostgreSQL; they run inside the block, and neither they nor their data stay after it.

    Args:
        folder: for the configuration and the logs.
        tools: folder of unpacked programs; the checkout's own by default.
        progress: is called with a line per step.
    """

    def __init__(
        self, folder: Path, tools: Path | None = None, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self._folder = folder
        self._tools = tools or default_tools()
        self._progress = progress
        self._ports = ports.choose(("alerta", "postgres"), {})
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._records: list[processes.Record] = []
        self._data: Path | None = None
        self._admin_password = secrets.token_urlsafe(18)
        self._admin_token = ""

    @property
    def url(self) -> str:
        """Where Alerta's API is."""
        return f"http://{ports.HOST}:{self._ports['alerta']}"

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            alertad = pager_packages.fetch_alerta(self._tools, self._progress)
            self._start_alerta(alertad, self._start_postgres())
            self._admin_token = self.sign_up(ADMIN, self._admin_password)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End both, and remove the data."""
        # The database last: it waits for its clients.
        for record in reversed(self._records):
            processes.stop([record], self._children)
        self._records, self._children = [], {}
        if self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)

    def sign_up(self, email: str, password: str) -> str:
        """Make an account for a person, and return the token with which that person is logged in."""
        account = {"name": email.partition("@")[0], "email": email, "password": password, "text": ""}
        token: str = self.call("POST", "/auth/signup", account)["token"]
        return token

    def new_key(self, user: str, scopes: Sequence[str]) -> str:
        """Return a new API key of ``user`` with these scopes, such as ``read:alerts``."""
        wanted = {"user": user, "scopes": list(scopes), "text": "sandbox"}
        key: str = self.call("POST", "/key", wanted, token=self._admin_token)["key"]
        return key

    def call(self, method: str, path: str, body: Mapping[str, Any], *, token: str | None = None) -> Any:
        """Return what Alerta answers to a person logged in with ``token``; raises OSError for a refusal."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(  # noqa: S310 our own http:// URL
            self.url + path, data=json.dumps(body).encode(), method=method, headers=headers
        )
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as response:  # noqa: S310 as above
            return json.load(response)

    def _start_postgres(self) -> str:
        """Start the database, wait for it, and return its URL."""
        programs = pager_packages.fetch_postgres(self._tools, self._progress)
        # Not in `folder`: the account that PostgreSQL runs under may not be let into it.
        self._data = Path(tempfile.mkdtemp(prefix="release-watch-postgres-"))
        password_file = self._folder / "postgres-password"
        password = secrets.token_urlsafe(18)
        processes.replace(password_file, password, mode=0o600)
        port = self._ports["postgres"]
        arguments = postgres.command(programs, self._data, port, password_file, tethered=True)
        data, around = self._data, {**PYTHON_ENVIRONMENT, **postgres.environment(programs)}
        self._start("postgres", arguments, around, lambda: postgres.serves(data))
        return f"postgresql://{postgres.USER}:{password}@{ports.HOST}:{port}/{postgres.DATABASE}"

    def _start_alerta(self, alertad: Path, database: str) -> None:
        configuration = {
            "SECRET_KEY": secrets.token_urlsafe(32),
            "DATABASE_URL": database,
            "AUTH_REQUIRED": True,
            "ADMIN_USERS": [ADMIN],
            "SEVERITY_MAP": SEVERITIES,
            "DEFAULT_NORMAL_SEVERITY": "normal",
            "DEFAULT_PREVIOUS_SEVERITY": "informational",
            "ALLOWED_ENVIRONMENTS": list(ENVIRONMENTS),
            "BASE_URL": "",
        }
        file = self._folder / "alertad.conf"
        lines = [f"{name} = {value!r}\n" for name, value in configuration.items()]
        processes.replace(file, "".join(lines), mode=0o600)
        address = ("--host", ports.HOST, "--port", str(self._ports["alerta"]))
        # One request at a time: its database connections are not for several threads.
        arguments = (str(alertad), "run", *address, "--without-threads")
        known = {"ALERTA_SVR_CONF_FILE": str(file)}
        self._start("alerta", arguments, known, lambda: answers(f"{self.url}/management/gtg"))

    def _start(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], serves: Callable[[], bool]
    ) -> None:
        log = self._folder / f"{name}.log"
        child = processes.start(
            name, arguments, folder=self._folder, environment=environment, log=log, tethered=True
        )
        self._children[child.pid] = child
        mark = processes.start_mark(child.pid) or "ended"
        self._records.append(processes.Record(name, child.pid, mark, self.url, ""))
        begun = time.monotonic()
        while not serves():
            if child.poll() is not None or time.monotonic() - begun > PATIENCE_SECONDS:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise ServerFailedError(f"{name} does not serve. The end of {log}:\n{tail}")
            time.sleep(POLL_SECONDS)
        self._progress(f"{name:<16} up in {time.monotonic() - begun:.1f} s")
