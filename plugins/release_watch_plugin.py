"""Registers Release Watch's endpoints with the Airflow API server; the code is in the package."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from airflow.plugins_manager import AirflowPlugin

from release_watch.orchestration import phases
from release_watch.orchestration.web.app import PREFIX, app

# The DAG processor forks each parse from a process with its plugins loaded: no parse imports these again.
for phase in iter_modules(phases.__path__, f"{phases.__name__}."):
    import_module(phase.name)


class ReleaseWatchPlugin(AirflowPlugin):
    """The alert receiver and the drill acknowledgement, under ``/release-watch``."""

    name = "release_watch"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Release Watch"}]  # noqa: RUF012 - Airflow's shape
