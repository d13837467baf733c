"""The asynchronous counterpart of :mod:`.transport`, for triggers."""

from __future__ import annotations

from typing import Any

import aiohttp
from airflow.providers.http.hooks.http import HttpAsyncHook, SessionConfig

from release_watch.orchestration.hooks.transport import (
    DEFAULT_TIMEOUT_SECONDS,
    ServerHook,
    request_headers,
    without_credentials_in_host,
)
from release_watch.transport import Answer


class AsyncServerHook(HttpAsyncHook):
    """The provider's asynchronous hook, reading connections the way :class:`.ServerHook` does."""

    async def config(self) -> SessionConfig:
        """Return address, headers and credentials; the connection is read once."""
        if not self._config:
            connection = without_credentials_in_host(await self.aget_connection(self.http_conn_id))
            extra = connection.extra_dejson
            base = ServerHook("GET", connection)
            base._set_base_url(connection)
            self._config = SessionConfig(
                base_url=base.base_url.rstrip("/"),
                headers=request_headers(connection),
                auth=aiohttp.BasicAuth(connection.login, connection.password or "")
                if connection.login
                else None,
                extra_options={
                    "timeout": aiohttp.ClientTimeout(
                        total=float(extra.get("timeout", DEFAULT_TIMEOUT_SECONDS))
                    ),
                    "check_response": False,
                    **({"ssl": False} if extra.get("verify") is False else {}),
                },
            )
        return self._config

    async def get(self, path: str) -> Answer:
        """Return the answer to ``GET path``, also when it is an error."""
        async with self.session() as session:  # the body can be read only while the session is open
            response = await session.run(endpoint=path)
            return Answer(response.status, await _body(response))


async def _body(response: aiohttp.ClientResponse) -> Any:
    try:
        return await response.json(content_type=None)
    except ValueError:
        return await response.text()
