"""Since when something has drifted: the first night that saw it, kept by whoever keeps the reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from release_watch.assurance.drift.model import Drift


def carried(drifts: Iterable[Drift], last: Mapping[str, datetime], at: datetime) -> tuple[Drift, ...]:
    """Return the drifts with ``since``: from last time where they were seen then, else ``at``.

    Args:
        drifts: those of now.
        last: what :func:`seen` returned of last time; empty the first time.
        at: now.
    """
    return tuple(one.model_copy(update={"since": last.get(one.key, at)}) for one in drifts)


def seen(drifts: Iterable[Drift], last: Mapping[str, datetime] | None = None) -> dict[str, datetime]:
    """Return when each drift began, by its key: plain data for the next time.

    What could not be looked at now keeps its beginning of ``last``, so that an outage starts no drift anew;
    what is gone is forgotten.
    """
    found = tuple(drifts)
    began = {one.key: one.since for one in found if one.since is not None}
    if last and any(one.kind == "unknown" for one in found):
        return {**last, **began}
    return began
