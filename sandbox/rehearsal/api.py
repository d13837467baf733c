"""The part of Airflow's REST API that a rehearsal needs, as one of its users."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from sandbox.errors import SandboxError

DAG_ID = "post_deployment_monitoring"
TIMEOUT_SECONDS = 90
"""Longer than a writer waits for Airflow's SQLite (60 s), so that one that lost the race is answered."""


class AirflowUser:
    """One logged-in user."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.user = user
        self._url = url
        self._password = password
        self._session = requests.Session()
        self._log_in()

    def _log_in(self) -> None:
        body = {"username": self.user, "password": self._password}
        answer = requests.post(f"{self._url}/auth/token", json=body, timeout=TIMEOUT_SECONDS)
        if answer.status_code >= 400:
            raise SandboxError(
                f"{self.user} cannot log in to Airflow: {answer.status_code} {answer.text[:200]}"
            )
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def request(self, method: str, path: str, json: Any = None, **params: Any) -> requests.Response:
        """Send a request to ``/api/v2<path>``; an expired login is renewed once."""
        answer = self._send(method, path, json, params)
        if answer.status_code == requests.codes.unauthorized:
            self._log_in()
            answer = self._send(method, path, json, params)
        return answer

    def _send(self, method: str, path: str, json: Any, params: Any) -> requests.Response:
        return self._session.request(
            method, f"{self._url}/api/v2{path}", json=json, params=params, timeout=TIMEOUT_SECONDS
        )

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a GET.

        Raises:
            SandboxError: if the answer is an error.
        """
        answer = self.request("GET", path, **params)
        if answer.status_code >= 400:
            raise SandboxError(f"Airflow answered {answer.status_code} to {path}: {answer.text[:300]}")
        return answer.json()

    def trigger(self, run_id: str, conf: dict[str, Any]) -> requests.Response:
        """Trigger a run of the protocol."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        return self.request("POST", f"/dags/{DAG_ID}/dagRuns", body)

    def run_state(self, run_id: str) -> str:
        """Return the state of a run."""
        return str(self.get(f"/dags/{DAG_ID}/dagRuns/{quote(run_id)}")["state"])

    def task_instances(self, run_id: str) -> list[dict[str, Any]]:
        """Return all task instances of a run."""
        path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id)}/taskInstances"
        found: list[dict[str, Any]] = self.get(path, limit=200)["task_instances"]
        return found

    def questions(self, run_id: str) -> list[dict[str, Any]]:
        """Return the questions of a run that nobody has answered yet."""
        path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id)}/hitlDetails"
        found: list[dict[str, Any]] = self.get(path, response_received=False)["hitl_details"]
        return found

    def answer(self, run_id: str, task_id: str, option: str) -> requests.Response:
        """Answer a question as this user."""
        path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id)}/taskInstances/{quote(task_id)}/-1/hitlDetails"
        return self.request("PATCH", path, {"chosen_options": [option], "params_input": {}})
