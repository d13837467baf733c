"""Which dashboards a Grafana has."""

from __future__ import annotations

from release_watch.errors import BackendError
from release_watch.transport import Transport

PAGE = 5000
"""Grafana lists at most so many at once."""
PATH = "/api/search"


def dashboards_there(grafana: Transport) -> frozenset[str]:
    """Return the ids of all dashboards that the connection may see.

    Raises:
        BackendError: if Grafana does not answer, or refuses.
    """
    found: set[str] = set()
    page = 1
    while True:
        answer = grafana.request("GET", PATH, params={"type": "dash-db", "limit": PAGE, "page": page})
        if answer.status != 200 or not isinstance(answer.body, list):
            what = f"GET {PATH} was answered with {answer.status}; may its token read dashboards?"
            raise BackendError("Grafana", what, status=answer.status)
        found |= {str(entry.get("uid")) for entry in answer.body}
        if len(answer.body) < PAGE:
            return frozenset(found)
        page += 1
