"""The signals a run emits as assets, with the release in ``extra``.

They go out through aliases, so that a task emits one only when what it says is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from airflow.sdk import Context

    from release_watch.orchestration.run import ProtocolRun

MONITORING_ACTIVE = AssetAlias("monitoring-active")
BASELINE_ESTABLISHED = AssetAlias("baseline-established")
ISSUES_DETECTED = AssetAlias("issues-detected")


def emit(context: Context, signal: AssetAlias, run: ProtocolRun, **extra: Any) -> None:
    """Emit ``signal`` for the release of ``run``; the task must name it among its outlets."""
    release = run.release
    context["outlet_events"][signal].add(
        Asset(name=signal.name, uri=f"release-watch://{signal.name}"),
        extra={
            "release_id": release.release_id,
            "deployment_id": release.deployment_id,
            "version": release.version,
            "environment": release.environment,
            "services": list(release.services),
            "artifacts": run.store.uri,
            **extra,
        },
    )
