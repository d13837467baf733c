"""Checks beside the first ones: a server that refuses one leaves only that check open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from release_watch.artifacts.models import CoverageCheck
from release_watch.coverage.questions import unanswered
from release_watch.errors import BackendError

Found = dict[str, CoverageCheck]


def attempt(
    name: str, services: Iterable[str], queries: Mapping[str, str], expected: str, ask: Callable[[], Found]
) -> Found:
    """Return what ``ask`` finds by service, or the check ``name`` of each service as not answered."""
    try:
        return ask()
    except BackendError as error:
        remedy = "see why the server refuses this query, and run the audit again"
        return {s: unanswered(name, queries.get(s), str(error), expected, remedy) for s in services}
