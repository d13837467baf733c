"""Putting dashboards in place: through Grafana's API, else as files that are marked as not activated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from release_watch.catalog.policies import Policies
from release_watch.dashboards.grafana import DEPLOYMENT_TAGS, same_dashboard
from release_watch.dashboards.models import Dashboard, DashboardActivation
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.files import write_whole
from release_watch.release import Release
from release_watch.telemetry.answers import shortened
from release_watch.telemetry.backends import Backends
from release_watch.transport import Transport
from release_watch.verdict import Verdict

BACKEND = "Grafana"


def activate_dashboards(
    dashboards: Sequence[Dashboard], backends: Backends, policies: Policies
) -> list[DashboardActivation]:
    """Put each dashboard in place and return where it is.

    With a Grafana: into the policy's folder, read back and compared (GO, or ERROR with the reason). Without:
    as provisioning files into the policy's folder, not activated (WARN, naming the connection to add).
    """
    try:
        grafana = backends.grafana()
    except NotConfiguredError as error:
        return [
            _provisioned(one, policies.dashboards.provisioning_directory, str(error)) for one in dashboards
        ]
    try:
        folder = _folder_uid(grafana, policies.dashboards.folder)
    except BackendError as error:
        return [_failed(one, str(error)) for one in dashboards]
    return [_uploaded(one, folder, grafana) for one in dashboards]


def annotate_deployment(release: Release, grafana: Transport) -> None:
    """Mark the deployment in Grafana's dashboards, once however often this is called.

    Raises:
        BackendError: if Grafana does not take it.
    """
    tags = [*DEPLOYMENT_TAGS, release.environment, release.release_id]
    if _ask(grafana, "GET", "/api/annotations", params={"tags": tags, "limit": 1}):
        return
    at = int(release.deployed_at.timestamp() * 1000)
    text = f"{', '.join(release.services)} {release.version}"
    _ask(grafana, "POST", "/api/annotations", {"time": at, "tags": tags, "text": text})


def _uploaded(dashboard: Dashboard, folder: str, grafana: Transport) -> DashboardActivation:
    try:
        content = {"dashboard": dashboard.json_model, "folderUid": folder, "overwrite": True}
        answer = _ask(grafana, "POST", "/api/dashboards/db", content)
        shown = _ask(grafana, "GET", f"/api/dashboards/uid/{dashboard.uid}")
    except BackendError as error:
        return _failed(dashboard, str(error))
    if not same_dashboard(dict(shown.get("dashboard") or {}), dashboard.json_model):
        return _failed(dashboard, "Grafana shows another dashboard under this uid than it was given")
    return DashboardActivation(
        uid=dashboard.uid,
        title=dashboard.title,
        activated=True,
        url=f"{grafana.base_url}{answer.get('url') or dashboard.path}",
        verdict=Verdict.GO,
        reason="uploaded and read back unchanged",
    )


def _provisioned(dashboard: Dashboard, directory: str | None, missing: str) -> DashboardActivation:
    file: Path | None = None
    reason = f"not activated. {missing}"
    if directory is None:
        reason += " No file is written either: policy dashboards.provisioning_directory is not set."
    else:
        file = Path(directory) / f"{dashboard.uid}.json"
        text = json.dumps(dashboard.json_model, indent=2, sort_keys=True) + "\n"
        write_whole(file, text.encode())
        reason += " The file is ready for Grafana's provisioning."
    return DashboardActivation(
        uid=dashboard.uid,
        title=dashboard.title,
        activated=False,
        file=str(file) if file else None,
        verdict=Verdict.WARN,
        reason=reason,
    )


def _failed(dashboard: Dashboard, reason: str) -> DashboardActivation:
    return DashboardActivation(
        uid=dashboard.uid, title=dashboard.title, activated=False, verdict=Verdict.ERROR, reason=reason
    )


def _folder_uid(grafana: Transport, title: str) -> str:
    for folder in _ask(grafana, "GET", "/api/folders", params={"limit": 1000}):
        if folder.get("title") == title:
            return str(folder["uid"])
    uid = f"rw-{sha256(title.encode()).hexdigest()[:12]}"
    _ask(grafana, "POST", "/api/folders", {"uid": uid, "title": title})
    return uid


def _ask(
    grafana: Transport, method: str, path: str, content: Any = None, params: Mapping[str, Any] | None = None
) -> Any:
    # Uploading the same dashboard twice leaves one, so the transport may repeat it.
    once = json.dumps(content, sort_keys=True)
    headers = {"Idempotency-Key": sha256(f"{path}{once}".encode()).hexdigest()} if content else None
    answer = grafana.request(method, path, params=params, json=content, headers=headers)
    if answer.status >= 400:
        words = f"{method} {path} answered {answer.status}: {shortened(answer.body)}"
        raise BackendError(BACKEND, words, status=answer.status)
    return answer.body
