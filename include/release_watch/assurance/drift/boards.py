"""Drift of dashboards: panels, queries, thresholds and variables; where on the page they stand is layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from release_watch.assurance.drift.board_differences import board_differences
from release_watch.assurance.drift.live import Away, LiveDashboards
from release_watch.assurance.drift.model import NOBODY_NAMED, Board, Drift
from release_watch.verdict import Verdict

_MOST = 12
"""Differences that are shown of one dashboard."""
_AGAIN = "activate the release's dashboards again, which takes an approval"


def board_drifts(expected: tuple[Board, ...], live: LiveDashboards) -> Iterator[Drift]:
    """Yield which dashboards are gone, or show something else, or cannot be compared and why."""
    for board in expected:
        found = live.boards.get(board.uid, Away("it was not asked for"))
        if isinstance(found, Away):
            to_do = "see to connection grafana_default, then look again"
            yield _unknown(board, f"cannot be looked at: {found.reason}", to_do)
        elif found is None:
            yield _drift(board, "missing", "is gone from Grafana", Verdict.NO_GO, _AGAIN)
        elif isinstance(board.model, str):
            what = f"is there, but what it shows cannot be compared: {board.model}"
            yield _unknown(board, what, f"{_AGAIN} and keeps what was activated")
        elif "elements" in found and "panels" not in found:
            what = "cannot be compared: Grafana gives it in another schema (v2) than it was activated in"
            yield _unknown(board, what, f"look at its versions in Grafana, or {_AGAIN}")
        elif board.model is not None:
            yield from _edited(board, board.model, found, live)


def _edited(
    board: Board, model: Mapping[str, Any], found: Mapping[str, Any], live: LiveDashboards
) -> Iterator[Drift]:
    lines = list(board_differences(model, found))
    if not lines:
        return
    diff = "\n".join(lines[:_MOST]) + (f"\nand {len(lines) - _MOST} more" * (len(lines) > _MOST))
    count = f"{len(lines)} difference{'s' * (len(lines) > 1)}"
    saved = live.saved.get(board.uid)
    what = f"shows something else ({count}){f'; last saved {saved}' if saved else ''}"
    yield _drift(board, "edited", what, Verdict.WARN, _AGAIN, diff)


def _unknown(board: Board, what: str, to_do: str) -> Drift:
    return _drift(board, "unknown", what, Verdict.INCONCLUSIVE, to_do)


def _drift(board: Board, kind: str, what: str, verdict: Verdict, to_do: str, diff: str = "") -> Drift:
    return Drift.model_validate(
        {
            "key": f"dashboard:{board.uid}",
            "kind": kind,
            "what": f"dashboard {board.title} ({board.uid}) {what}",
            "owner": NOBODY_NAMED,
            "verdict": verdict,
            "diff": diff,
            "to_do": to_do,
        }
    )
