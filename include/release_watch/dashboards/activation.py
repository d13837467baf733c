"""Putting dashboards in place: through Grafana's API, else as files that are marked as not activated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from release_watch.catalog.policies import Policies
from release_watch.dashboards.grafana import DEPLOYMENT_TAGS, same_dashboard
from release_watch.dashboards.grafana_api import Grafana
from release_watch.dashboards.models import Dashboard, DashboardActivation
from release_watch.dashboards.provisioning import dashboard_file, provisioning_files
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.files import write_whole
from release_watch.release import Release
from release_watch.telemetry.backends import Backends
from release_watch.transport import Transport
from release_watch.verdict import Verdict

Keep = Callable[[str, bytes], str]
"""Stores a file under a name and returns where it is."""

GRAFANA_READS = "/etc/grafana/provisioning/dashboards"
"""Where Grafana reads provisioned dashboards by default; files that are kept elsewhere are laid there."""


def activate_dashboards(
    dashboards: Sequence[Dashboard],
    backends: Backends,
    policies: Policies,
    *,
    release: Release | None = None,
    keep: Keep | None = None,
) -> list[DashboardActivation]:
    """Put each dashboard in place and return where it is.

    With a Grafana: into the policy's folder, read back and compared (GO, or ERROR with the reason), and the
    deployment of ``release`` is marked. Without: as provisioning files into the policy's folder, or else kept
    by ``keep``; not activated (WARN, naming the connection to add).
    """
    try:
        grafana = Grafana(backends.grafana())
    except NotConfiguredError as error:
        return _written(dashboards, policies, f"not activated. {error}", keep)
    try:
        folder = grafana.folder(policies.dashboards.folder)
    except BackendError as error:
        return [_failed(one, str(error)) for one in dashboards]
    message = (
        f"Release Watch: {release.release_id}, version {release.version}" if release else "Release Watch"
    )
    made = [_uploaded(one, folder, grafana, message) for one in dashboards]
    return [_noted(one, problem) for one in made] if (problem := _marked(release, grafana)) else made


def annotate_deployment(release: Release, grafana: Transport) -> None:
    """Mark the deployment in Grafana's dashboards, once however often this is called.

    Raises:
        BackendError: if Grafana does not take it.
    """
    tags = [*DEPLOYMENT_TAGS, release.environment, release.release_id]
    text = f"{', '.join(release.services)}: version {release.version} ({release.release_id})"
    Grafana(grafana).annotate(release.deployed_at, tags, text)


def _marked(release: Release | None, grafana: Grafana) -> str | None:
    """Mark the deployment; return what went wrong."""
    if release is None:
        return None
    try:
        annotate_deployment(release, grafana.transport)
    except BackendError as error:
        return str(error)
    return None


def _uploaded(dashboard: Dashboard, folder: str, grafana: Grafana, message: str) -> DashboardActivation:
    try:
        url = grafana.upload(dashboard, folder, message)
        shown, where, _ = grafana.shown(dashboard.uid)
    except BackendError as error:
        return _failed(dashboard, str(error))
    if not same_dashboard(shown, dashboard.json_model):
        return _failed(dashboard, "Grafana shows another dashboard under this uid than it was given")
    if where != folder:
        return _failed(dashboard, f"Grafana shows it in the folder {where or 'at the root'}, not in {folder}")
    return DashboardActivation(
        uid=dashboard.uid,
        title=dashboard.title,
        activated=True,
        url=url,
        verdict=Verdict.GO,
        reason="uploaded and read back unchanged",
    )


def _noted(made: DashboardActivation, problem: str) -> DashboardActivation:
    return made.model_copy(update={"reason": f"{made.reason}; but the deployment is not marked: {problem}"})


def _written(
    dashboards: Sequence[Dashboard], policies: Policies, missing: str, keep: Keep | None
) -> list[DashboardActivation]:
    folder, directory = policies.dashboards.folder, policies.dashboards.provisioning_directory
    if directory is not None:
        files = provisioning_files(dashboards, folder, directory)
        where = {name: _write(Path(directory) / name, content) for name, content in files.items()}
        remark = "The file is ready for Grafana's provisioning, with its provider beside it."
    elif keep is not None:
        files = provisioning_files(dashboards, folder, GRAFANA_READS)
        where = {name: keep(name, content) for name, content in files.items()}
        remark = f"The file is kept; lay it and its provider into {GRAFANA_READS} of Grafana."
    else:
        where = {}
        remark = "No file is written either: policy dashboards.provisioning_directory is not set."
    return [
        DashboardActivation(
            uid=one.uid,
            title=one.title,
            activated=False,
            file=where.get(dashboard_file(one)[0]),
            verdict=Verdict.WARN,
            reason=f"{missing} {remark}",
        )
        for one in dashboards
    ]


def _write(path: Path, content: bytes) -> str:
    write_whole(path, content)
    return str(path)


def _failed(dashboard: Dashboard, reason: str) -> DashboardActivation:
    return DashboardActivation(
        uid=dashboard.uid, title=dashboard.title, activated=False, verdict=Verdict.ERROR, reason=reason
    )
