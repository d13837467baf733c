"""Drift of dashboards: panels, queries, thresholds and variables; where on the page they stand is layout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from release_watch.assurance.drift.live import Away, LiveDashboards
from release_watch.assurance.drift.model import NOBODY_NAMED, Board, Drift
from release_watch.assurance.drift.wording import changed
from release_watch.telemetry.promql_meaning import read, same_meaning
from release_watch.verdict import Verdict

_LAYOUT = frozenset(
    {"id", "version", "schemaVersion", "gridPos", "pluginVersion", "iteration", "collapsed", "panels"}
)
"""What Grafana numbers and rewrites, and where a panel stands."""
_EMPTY: tuple[Any, ...] = (None, "", False, 0, [], {})
_QUERY = "expr"
_VARIABLES = {"$__rate_interval": "61s", "$__interval": "62s", "$__range": "63s"}
"""What Grafana fills in, and a length to read it as."""
_MOST = 12
"""Differences that are shown of one dashboard."""


def board_drifts(expected: tuple[Board, ...], live: LiveDashboards) -> Iterator[Drift]:
    """Yield which dashboards are gone, or show something else."""
    for board in expected:
        found = live.boards.get(board.uid, Away("it was not asked for"))
        if isinstance(found, Away):
            yield _drift(board, "unknown", f"cannot be looked at: {found.reason}", Verdict.INCONCLUSIVE)
        elif found is None:
            yield _drift(board, "missing", "is gone from Grafana", Verdict.NO_GO)
        elif board.model is not None:
            lines = list(_differences("", board.model, found)) + list(_panels(board.model, found))
            if lines:
                diff = "\n".join(lines[:_MOST]) + (f"\nand {len(lines) - _MOST} more" * (len(lines) > _MOST))
                what = f"shows something else ({len(lines)} differences)"
                yield _drift(board, "edited", what, Verdict.WARN, diff)


def _drift(board: Board, kind: str, what: str, verdict: Verdict, diff: str = "") -> Drift:
    return Drift.model_validate(
        {
            "key": f"dashboard:{board.uid}",
            "kind": kind,
            "what": f"dashboard {board.title} ({board.uid}) {what}",
            "owner": NOBODY_NAMED,
            "verdict": verdict,
            "diff": diff,
            "to_do": "activate the release's dashboards again, which takes an approval"
            if kind != "unknown"
            else "see to connection grafana_default, then look again",
        }
    )


def _panels(expected: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    old, new = _by_title(expected), _by_title(live)
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield f"panel {name}: [-removed-]"
        elif name not in old:
            yield f"panel {name}: {{+added+}}"
        else:
            yield from _differences(f"panel {name}", old[name], new[name])


def _by_title(model: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return every panel, also those in folded rows, by title; a second of one title gets a number."""
    found: dict[str, Mapping[str, Any]] = {}
    for panel in model.get("panels") or []:
        for one in (panel, *(panel.get("panels") or [])):
            title = name = f"{one.get('type', '')} {one.get('title', '')!r}"
            while name in found:
                name = f"{title} ({len(found)})"
            found[name] = one
    return found


def _differences(place: str, old: Any, new: Any) -> Iterator[str]:
    """Yield one line for each difference; what a server adds empty is none."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted((old.keys() | new.keys()) - _LAYOUT):
            where = f"{place}.{key}" if place else str(key)
            if key == _QUERY:
                yield from _queries(where, str(old.get(key) or ""), str(new.get(key) or ""))
            else:
                yield from _differences(where, old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for at, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{place}.{at}", one, other)
    elif old != new and not (old in _EMPTY and new in _EMPTY):
        yield changed(place, _text(old), _text(new))


def _queries(place: str, old: str, new: str) -> Iterator[str]:
    if not same_meaning(*(_filled(text) for text in (old, new))):
        yield changed(place, old, new)


def _filled(text: str) -> str:
    for name, length in _VARIABLES.items():
        filled = text.replace(name, length)
        if filled != text and read(filled).meaning is not None:
            text = filled
    return text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
