"""Instant queries from a trigger: sent as forms, so that those over many services fit."""

from __future__ import annotations

from typing import Any

from release_watch.orchestration.hooks.async_transport import AsyncServerHook, _body

PATH = "/api/v1/query"


class AsyncQueries:
    """Prometheus, or what speaks its API, behind an Airflow connection that is read once.

    :param conn_id: the connection
    """

    def __init__(self, conn_id: str) -> None:
        self._hook = AsyncServerHook("POST", conn_id, retry_limit=1)

    async def instant(self, query: str) -> Any:
        """Return the body that an instant query as of now is answered with, also where it is an error."""
        async with self._hook.session() as session:  # the body can be read only while the session is open
            response = await session.run(endpoint=PATH, data={"query": query})
            return await _body(response)
