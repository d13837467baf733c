"""Registers Release Watch's endpoints with the Airflow API server; the code is in the package."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from release_watch.orchestration.web.app import PREFIX, app


class ReleaseWatchPlugin(AirflowPlugin):
    """The alert receiver and the drill acknowledgement, under ``/release-watch``."""

    name = "release_watch"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Release Watch"}]  # noqa: RUF012 - Airflow's shape
