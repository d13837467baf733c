"""A Prometheus that is asked about SLOs by its address alone, without Airflow's connections."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from release_watch.catalog.objectives.live import check_live
from release_watch.catalog.slos import Slo
from release_watch.errors import BackendError, InvalidInputError
from release_watch.telemetry.metrics import BACKEND, Prometheus, without_credentials
from release_watch.transport import Answer

TOKEN = "RELEASE_WATCH_PROMETHEUS_TOKEN"  # noqa: S105 - the variable's name
TIMEOUT_SECONDS = 10.0
_NOT_FOUND = 404


class Server:
    """A :class:`release_watch.transport.Transport` that only reads; credentials are those in the address."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url, self._auth = without_credentials(url)
        self._headers = dict(headers)

    @property
    def base_url(self) -> str:
        """The server's address without credentials."""
        return self._url

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer.

        Raises:
            BackendError: if the server does not answer, or answers with an error of its own.
        """
        import requests

        try:
            answer = requests.request(
                method,
                f"{self._url.rstrip('/')}{path}",
                params=params,
                json=json,
                headers={**self._headers, **(headers or {})},
                auth=self._auth,
                timeout=TIMEOUT_SECONDS,
            )
        except requests.RequestException as error:
            # the words of the exception can hold the whole address; its kind is enough
            raise BackendError(BACKEND, f"{self._url} did not answer: {type(error).__name__}") from error
        if answer.status_code >= requests.codes.server_error:
            raise BackendError(
                BACKEND, f"{self._url} answered {answer.status_code}", status=answer.status_code
            )
        try:
            return Answer(answer.status_code, answer.json())
        except ValueError:
            return Answer(answer.status_code, answer.text)


def live_problems(slos: Sequence[Slo], url: str) -> tuple[str, ...]:
    """Return what the server contradicts, each as ``file:line: SLO: field: value: remedy``.

    One that does not know how long it keeps samples, such as Thanos and Mimir, is not asked for that.

    Raises:
        InvalidInputError: if ``url`` is no address.
        BackendError: if the server does not answer.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidInputError(["--prometheus: no address: write one such as http://prometheus:9090"])
    token = os.environ.get(TOKEN)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    server = Server(url, headers)
    tells = server.request("GET", "/api/v1/status/runtimeinfo").status != _NOT_FOUND
    metrics = Prometheus(url, headers=headers, timeout_seconds=TIMEOUT_SECONDS)
    return tuple(check_live(slos, metrics, server if tells else None))
