"""The embedded Airflow: ``airflow standalone`` on SQLite, with its users, connections and settings."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox import ports, processes
from sandbox.endpoints import add_endpoints, read_endpoints
from sandbox.errors import SandboxError
from sandbox.layout import REPOSITORY, Layout
from sandbox.servers.server import answers

NAME = "airflow"
HEALTH = "/api/v2/monitor/health"
PATIENCE_SECONDS = 180.0
PREFERRED_PORT = 8080
ROLES = {
    "admin": "admin",
    "release-orchestrator": "user",
    "sre": "user",
    "oncall": "user",
    "ops-lead": "user",
    "tech-lead": "user",
    "reader": "viewer",
}
"""The users of the rehearsal and the role each needs: users answer and trigger, viewers only read."""


def secrets_folder(root: Path) -> Path:
    """Return where the generated passwords lie, readable by the owner only; kept while the sandbox is up."""
    folder = Layout.at(root).state / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def receiver_token_file(root: Path) -> Path:
    """Return the file with the token that Alertmanager shows to the receiver, generated once."""
    return _secret(secrets_folder(root) / "receiver-token", secrets.token_urlsafe(32))


def passwords(root: Path) -> dict[str, str]:
    """Return the password of each user, generated once."""
    path = secrets_folder(root) / "airflow-passwords.json"
    generated = {user: secrets.token_urlsafe(12) for user in ROLES}
    known: dict[str, str] = json.loads(_secret(path, json.dumps(generated)).read_text())
    return known


def _secret(path: Path, content: str) -> Path:
    if not path.exists():
        processes.replace(path, content, mode=0o600)
    return path


def choose_port() -> int:
    """Return the port Airflow will have: SANDBOX_AIRFLOW_PORT, else 8080, else a free one."""
    if os.environ.get(ports.variable(NAME)) or not ports.is_free(PREFERRED_PORT):
        return ports.choose([NAME], os.environ)[NAME]
    return PREFERRED_PORT


def is_running(root: Path) -> bool:
    """Return whether the Airflow of this sandbox runs."""
    records = processes.read_records(Layout.at(root).processes)
    return any(record.name == NAME and processes.is_running(record) for record in records)


def environment(root: Path, url: str) -> dict[str, str]:
    """Return the environment of every Airflow process: settings, connections and where things lie."""
    layout, known = Layout.at(root), read_endpoints(root)
    home = layout.run / "airflow"
    passwords(root)
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "AIRFLOW_HOME": str(home),
        # SQLite lets one write at a time: whoever finds it taken waits for longer than the default 5 s.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "6",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{user}:{role}" for user, role in ROLES.items()
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(
            secrets_folder(root) / "airflow-passwords.json"
        ),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": ports.HOST,
        "AIRFLOW__API__PORT": url.rsplit(":", 1)[1],
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__TRIGGERER__CAPACITY": "1000",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "RELEASE_WATCH_CONFIG": str(configuration(root)),
        "RELEASE_WATCH_ARTIFACT_ROOT": artifact_root(root).as_uri(),
        "RELEASE_WATCH_PROMTOOL": known["programs"]["promtool"],
        "RELEASE_WATCH_AMTOOL": known["programs"]["amtool"],
        **connections(root, known, url),
    }


def artifact_root(root: Path) -> Path:
    """Return where the artifacts of the rehearsal lie."""
    return root.resolve() / ".artifacts"


def configuration(root: Path) -> Path:
    """Return the configuration folder: the shipped one, with time limits that fit a rehearsal."""
    folder = Layout.at(root).run / "config"
    shutil.copytree(REPOSITORY / "include" / "config", folder, dirs_exist_ok=True)
    policies = yaml.safe_load((REPOSITORY / "sandbox" / "policies.yaml").read_text())
    policies["dashboards"]["provisioning_directory"] = str(Layout.at(root).dashboards)
    (folder / "policies.yaml").write_text(yaml.safe_dump(policies, sort_keys=False))
    oncall = yaml.safe_load((folder / "oncall.yaml").read_text())
    oncall["escalation"] = [{"role": role, "within": "PT45S"} for role in ("oncall", "sre")]
    (folder / "oncall.yaml").write_text(yaml.safe_dump(oncall, sort_keys=False))
    return folder


def connections(root: Path, known: Mapping[str, Any], url: str) -> dict[str, str]:
    """Return the Airflow connections to the servers of the sandbox, as environment variables."""
    tickets = json.loads(Path(known["files"]["tickets_credentials"]).read_text())
    described = {
        "prometheus_default": {
            "host": known["prometheus"],
            "extra": {"rules_directory": known["directories"]["rules"]},
        },
        "alertmanager_default": {"host": known["alertmanager"]},
        "loki_default": {"host": known["loki"]},
        "tempo_default": {"host": known["tempo"]},
        "tickets_default": {
            "host": known["tickets"],
            "login": tickets["username"],
            "password": tickets["password"],
        },
        "oncall_default": {
            "host": f"{url}/release-watch",
            "password": receiver_token_file(root).read_text().strip(),
        },
    }
    if orchestrator := known.get("orchestrator"):
        token = Path(known["files"]["orchestrator_token"]).read_text().strip()
        described["release_orchestrator_default"] = {"host": orchestrator, "password": token}
    as_json = {name: json.dumps({"conn_type": "http", **fields}) for name, fields in described.items()}
    as_json["smtp_default"] = json.dumps(smtp_connection(known["smtp"]))
    return {f"AIRFLOW_CONN_{name.upper()}": text for name, text in as_json.items()}


def smtp_connection(url: str) -> dict[str, Any]:
    """Return the connection to the sandbox's mailbox, which takes mail without encryption or login."""
    host, port = url.removeprefix("smtp://").split(":")
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "release-watch@example.com"}
    return {"conn_type": "smtp", "host": host, "port": int(port), "extra": extra}


def start(root: Path, url: str, **changed: str) -> None:
    """Start Airflow in its own session and record it, so that ``down`` ends it too; does not wait.

    ``changed`` are environment variables that replace those of :func:`environment`.
    """
    layout = Layout.at(root)
    settings = {**environment(root, url), **changed}
    Path(settings["AIRFLOW_HOME"]).mkdir(parents=True, exist_ok=True)
    child = processes.start(
        NAME,
        [str(Path(sys.executable).parent / "airflow"), "standalone"],
        folder=Path(settings["AIRFLOW_HOME"]),
        environment=settings,
        log=layout.logs / f"{NAME}.log",
        tethered=False,
    )
    mark = processes.start_mark(child.pid)
    if mark is None:
        raise SandboxError(f"Airflow ended at once; see {layout.logs / NAME}.log")
    processes.write_record(layout.processes, processes.Record(NAME, child.pid, mark, url, HEALTH))
    add_endpoints(root, {NAME: url})


def wait_until_healthy(root: Path, url: str) -> None:
    """Wait until the API server, scheduler, DAG processor and triggerer are up.

    Raises:
        SandboxError: if they are not after three minutes, or Airflow ended.
    """
    log = Layout.at(root).logs / f"{NAME}.log"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answers(f"{url}{HEALTH}"):
            return
        if not is_running(root):
            raise SandboxError(f"Airflow ended while it started; the end of {log} says why.")
        time.sleep(0.5)
    raise SandboxError(f"Airflow did not answer {url}{HEALTH} within {PATIENCE_SECONDS:.0f} s; see {log}.")
