"""One HTTP server behind an Airflow connection, as a ``release_watch.transport.Transport``."""

from __future__ import annotations

import json as json_codec
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from requests import RequestException, Response
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from release_watch.errors import BackendError, NotConfiguredError
from release_watch.response.attachments import Attachment
from release_watch.transport import Answer

REQUEST_OPTIONS = ("verify", "cert", "proxies", "timeout", "allow_redirects", "max_redirects", "trust_env")
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
ATTEMPTS = 4
DEFAULT_TIMEOUT_SECONDS = 10.0


class _ServerError(Exception):
    """An answer that says the server may recover."""


def find_connection(conn_id: str, needed_for: str) -> Connection:
    """Return an Airflow connection.

    Raises:
        NotConfiguredError: if there is none of that name.
    """
    try:
        connection: Connection = HttpHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise NotConfiguredError(conn_id, needed_for) from error
    return without_credentials_in_host(connection)


def without_credentials_in_host(connection: Connection) -> Connection:
    """Return ``connection`` with a ``user:password@`` of its host moved to login and password.

    Addresses stand in proofs, messages and artifacts; credentials must not.
    """
    scheme, separator, rest = (connection.host or "").partition("://")
    userinfo, at, host = rest.rpartition("@")
    if not separator or not at:
        return connection
    user, _, password = userinfo.partition(":")
    return Connection(
        conn_id=connection.conn_id,
        conn_type=connection.conn_type,
        host=f"{scheme}://{host}",
        schema=connection.schema,
        port=connection.port,
        login=connection.login or unquote(user),
        password=connection.password or unquote(password),
        extra=connection.extra,
    )


def request_headers(connection: Connection) -> dict[str, str]:
    """Return the headers a connection asks for: its extra's ``headers``, and a bearer token.

    A password without a login is a bearer token; with a login it is basic authentication, which the
    HTTP hook does by itself.
    """
    headers = dict(connection.extra_dejson.get("headers") or {})
    if connection.password and not connection.login:
        headers["Authorization"] = f"Bearer {connection.password}"
    return headers


class ServerHook(HttpHook):
    """The HTTP hook, for connections whose extra holds more than headers.

    The provider's hook sends every extra field as a header; here ``extra.headers`` are sent, request
    options such as ``verify`` and ``timeout`` are kept, and all else (directories, tenants) stays at home.
    """

    def __init__(self, method: str, connection: Connection) -> None:
        super().__init__(method=method, http_conn_id=connection.conn_id)
        options = {
            name: connection.extra_dejson[name] for name in REQUEST_OPTIONS if name in connection.extra_dejson
        }
        self._connection = Connection(
            conn_id=connection.conn_id,
            conn_type="http",
            host=(connection.host or "").rstrip("/"),
            schema=connection.schema,
            port=connection.port,
            login=connection.login,
            password=connection.password,
            extra=json_codec.dumps({**options, **request_headers(connection)}),
        )

    def get_connection(self, conn_id: str) -> Connection:  # type: ignore[override]  # noqa: ARG002
        """Return the connection this hook was made with, without asking the API server again."""
        return self._connection


class ConnectionTransport:
    """Requests to the server of one Airflow connection."""

    def __init__(self, conn_id: str, needed_for: str) -> None:
        self._connection = find_connection(conn_id, needed_for)
        hook = ServerHook("GET", self._connection)
        hook.get_conn()
        self._base_url = hook.base_url.rstrip("/")

    @property
    def base_url(self) -> str:
        """The server's address without credentials."""
        return self._base_url

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; see :class:`release_watch.transport.Transport`.

        Raises:
            BackendError: if the server cannot be reached or keeps answering 5xx.
        """
        repeatable = method.upper() in REPEATABLE or "Idempotency-Key" in (headers or {})
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS if repeatable else 1),
            wait=wait_exponential(multiplier=0.5, max=8),
            retry=retry_if_exception_type((_ServerError, RequestException)),
        )
        try:
            return retrying(self._send, method.upper(), path, params, json, headers)
        except RetryError as error:
            cause = error.last_attempt.exception()
            raise BackendError(
                self._connection.conn_id, f"{method} {self._base_url}{path}: {cause}"
            ) from cause

    def upload(
        self,
        path: str,
        part: str,
        attachment: Attachment,
        *,
        fields: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> Answer:
        """POST one file as the ``part`` of a multipart form beside ``fields``; never repeated.

        Raises:
            BackendError: if the server cannot be reached.
        """
        hook = ServerHook("POST", self._connection)
        try:
            response: Response = hook.run(
                endpoint=path,
                data=dict(fields),
                headers=dict(headers),
                files={part: (attachment.name, attachment.content, attachment.media_type)},
                extra_options=self._options(),
            )
        except RequestException as error:
            raise BackendError(self._connection.conn_id, f"POST {self._base_url}{path}: {error}") from error
        return Answer(response.status_code, _body(response))

    def _options(self) -> dict[str, Any]:
        timeout = self._connection.extra_dejson.get("timeout", DEFAULT_TIMEOUT_SECONDS)
        return {"check_response": False, "timeout": timeout}

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        json: Any,
        headers: Mapping[str, str] | None,
    ) -> Answer:
        hook = ServerHook(method, self._connection)
        response: Response = hook.run(
            endpoint=path if method in ("GET", "HEAD") else _with_query(path, params),
            data=dict(params) if params and method in ("GET", "HEAD") else None,
            headers=dict(headers or {}),
            json=json,
            extra_options=self._options(),
        )
        if response.status_code >= 500:
            raise _ServerError(f"answered {response.status_code}: {response.text[:200]}")
        return Answer(response.status_code, _body(response))


def _with_query(path: str, params: Mapping[str, Any] | None) -> str:
    if not params:
        return path
    return f"{path}?{urlencode(dict(params), doseq=True)}"


def _body(response: Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text
