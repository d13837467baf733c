"""Great Expectations at work: runs a gate's demands as a suite over its table."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from release_watch.gates.demands import Demand

if TYPE_CHECKING:
    import pandas as pd

EMPTY = "MISSING"
"""Stands for an empty cell: Great Expectations' expectations on values pass over empty ones."""


class DemandResult(NamedTuple):
    """What Great Expectations found for one demand.

    ``rows`` is how many rows the demand is about, ``failing`` are the indexes of those that do not fit,
    ``error`` the words of an exception while it was evaluated.
    """

    demand: Demand
    rows: int
    failing: tuple[int, ...]
    error: str | None


def run_suite(name: str, demands: Sequence[Demand], table: pd.DataFrame) -> tuple[DemandResult, ...]:
    """Return what a suite made of ``demands`` finds in ``table``, whose index must be 0, 1, 2, ...

    Raises:
        KeyError: if the table lacks a column.
        Exception: whatever Great Expectations raises when it cannot run at all.
    """
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    suite = gx.ExpectationSuite(name=name)
    for number, demand in enumerate(demands):
        suite.add_expectation_configuration(_configuration(number, demand))
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    frame = _without_empty_cells(table, demands)
    batch = asset.add_batch_definition_whole_dataframe(name).get_batch({"dataframe": frame})
    outcome = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    # A suite keeps one of two equal expectations; the other demand then has no result, which is an error.
    results = {r.expectation_config.meta["demand"]: r for r in outcome.results}
    return tuple(
        _demand_result(demand, _row_count(table, demand), results.get(number))
        for number, demand in enumerate(demands)
    )


def _great_expectations() -> Any:
    # Before the import: it reads the variable, and logs hundreds of lines while it loads.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations

    for logger in list(logging.Logger.manager.loggerDict):  # some of its modules set themselves to INFO
        if logger.startswith("great_expectations."):
            logging.getLogger(logger).setLevel(logging.WARNING)
    return great_expectations


def _configuration(number: int, demand: Demand) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    return ExpectationConfiguration(
        type=demand.expectation,
        kwargs={**demand.arguments, "row_condition": _condition(demand.rows)},
        meta={"demand": number},
    )


def _condition(rows: Mapping[str, str]) -> Any:
    from great_expectations.expectations.row_conditions import Column

    conditions = [Column(name) == value for name, value in rows.items()]
    condition = conditions[0]
    for further in conditions[1:]:
        condition = condition & further
    return condition


def _without_empty_cells(table: pd.DataFrame, demands: Sequence[Demand]) -> pd.DataFrame:
    columns = {demand.arguments["column"] for demand in demands if "value_set" in demand.arguments}
    return table.assign(**{name: table[name].where(table[name].notna(), EMPTY) for name in columns})


def _row_count(table: pd.DataFrame, demand: Demand) -> int:
    chosen = table
    for name, value in demand.rows.items():
        chosen = chosen[chosen[name] == value]
    return len(chosen)


def _demand_result(demand: Demand, rows: int, result: Any) -> DemandResult:
    if result is None:
        return DemandResult(demand, rows, (), "Great Expectations returned no result")
    if error := _exception(result.exception_info):
        return DemandResult(demand, rows, (), error)
    failing = tuple(sorted(int(index) for index in result.result.get("unexpected_index_list") or ()))
    if not result.success and not failing:
        return DemandResult(demand, rows, (), f"{demand.expectation} failed and names no row")
    looked_at = result.result.get("element_count")
    if looked_at is not None and looked_at != rows:
        return DemandResult(demand, rows, failing, f"looked at {looked_at} of {rows} rows")
    return DemandResult(demand, rows, failing, None)


def _exception(info: Mapping[str, Any] | None) -> str | None:
    # Great Expectations reports one exception flat, or one per metric in a mapping of its own.
    for found in (info, *(v for v in (info or {}).values() if isinstance(v, Mapping))):
        if found and found.get("raised_exception"):
            return str(found.get("exception_message") or "an exception without a message").splitlines()[0]
    return None
