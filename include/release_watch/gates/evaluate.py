"""Evaluates a gate: from the suite's results to a decision in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from release_watch.gates.demands import DEMANDS, GATE_NAMES
from release_watch.gates.suites import DemandResult, run_suite
from release_watch.verdict import Decision, Objective, Verdict, worst

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = frozenset({"INCONCLUSIVE", "MISSING", "ERROR"})
"""Statuses that say that nobody knows, as against FAIL, which says that it is wrong."""


def evaluate_gate(gate: int, table: pd.DataFrame) -> Decision:
    """Return the decision of gate 1 to 4 over its table (:mod:`release_watch.gates.tables`).

    One objective per demand that holds, and one per row that breaks any. An empty table is
    INCONCLUSIVE and a demand that could not be evaluated is ERROR; neither proceeds.

    Raises:
        KeyError: if there is no such gate.
    """
    demands, name = DEMANDS[gate], f"Gate {gate}, {GATE_NAMES[gate]}"
    if table.empty:
        reason = "there is no artifact to judge; see the logs of the tasks before this gate"
        return Decision.over([Objective(name=name, verdict=Verdict.INCONCLUSIVE, reason=reason)])
    frame = table.reset_index(drop=True)
    try:
        results = run_suite(f"gate_{gate}", demands, frame)
    except Exception as error:  # whatever breaks inside the validation library must not open a gate
        reason = f"the gate could not be evaluated: {type(error).__name__}: {error}"
        return Decision.over([Objective(name=name, verdict=Verdict.ERROR, reason=reason)])
    rows = frame.to_dict("records")
    return Decision.over([*_over_all(results), *_over_rows(results, rows)])


def _over_all(results: Sequence[DemandResult]) -> Iterator[Objective]:
    for result in results:
        yield from _of_demand(result)


def _over_rows(results: Sequence[DemandResult], rows: list[dict[Any, Any]]) -> Iterator[Objective]:
    """Yield one objective per failing row: the first demand that it breaks tells the cause."""
    failing: dict[int, list[Objective]] = {}
    for result in results:
        for index in result.failing:
            failing.setdefault(index, []).append(_failure(result, rows[index]))
    for broken in failing.values():
        yield broken[0].model_copy(update={"verdict": worst(o.verdict for o in broken)})


def _of_demand(result: DemandResult) -> Iterator[Objective]:
    title = result.demand.title
    if result.error:
        yield Objective(name=title, verdict=Verdict.ERROR, reason=f"could not be evaluated: {result.error}")
        return
    if not result.rows:
        if result.demand.required:
            yield Objective(
                name=title, verdict=Verdict.INCONCLUSIVE, reason=f"{title}: there is nothing to judge it on"
            )
        return
    if not result.failing:
        reason = f"{title}: {result.rows} of {result.rows}"
        yield Objective(name=title, verdict=Verdict.GO, reason=reason, samples=result.rows)


def _failure(result: DemandResult, row: dict[Any, Any]) -> Objective:
    cells = {name: _text(value) for name, value in row.items()}
    observed = cells.get("observed") or "nothing"
    if result.demand.columns[0] != "status":
        seen = ", ".join(f"{c.replace('_', ' ')} {cells[c] or 'unknown'}" for c in result.demand.columns)
        observed = f"{observed} ({seen})"
    reason = f"{cells['name']}: {observed}; expected: {cells.get('expected') or result.demand.title}"
    if remedy := cells.get("remedy"):
        reason = f"{reason}. {remedy}"
    return Objective(
        name=f"{result.demand.title}: {cells['name']}",
        verdict=_verdict(result, cells),
        reason=reason,
        value=observed,
        threshold=cells.get("expected") or result.demand.title,
        query=cells.get("query"),
    )


def _verdict(result: DemandResult, cells: dict[Any, str | None]) -> Verdict:
    demand = result.demand
    if demand.on_failure is Verdict.WARN or (demand.columns[0] == "status" and cells["status"] == "WARN"):
        return Verdict.WARN
    unknown = any(cells[column] is None or cells[column] in UNKNOWN for column in demand.columns)
    return Verdict.INCONCLUSIVE if unknown else demand.on_failure


def _text(value: Any) -> str | None:
    if value is None or value != value:  # NaN is the one value that differs from itself
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)
