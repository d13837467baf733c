"""An alert report as the tables of a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from release_watch.assurance.proportion import in_words
from release_watch.assurance.quality.models import AlertMeasures, AlertReport, ShiftLoad, Spread
from release_watch.clock import rfc3339

UNKNOWN = "unknown"
SILENCES_UNKNOWN = "silences are not known, so what was silenced counts too"
Row = tuple[object, ...]


class QualityTables(NamedTuple):
    """Rows: numbers over all, what each alert was worth, what each cost people, and the shifts with pages."""

    numbers: tuple[Row, ...]
    alerts: tuple[Row, ...]
    load: tuple[Row, ...]
    shifts: tuple[Row, ...]


def quality_tables(report: AlertReport) -> QualityTables:
    """Return the tables of ``report``; what is not known is called so."""
    return QualityTables(
        numbers=tuple(_numbers(report)),
        alerts=tuple(_worth(one, reviewed=report.reviewed) for one in report.alerts),
        load=tuple(_load(one) for one in report.alerts),
        shifts=tuple(_shift(one) for one in report.paging.shifts),
    )


def spread_in_words(spread: Spread | None) -> str:
    """Return the median of times, and of how many."""
    return UNKNOWN if spread is None else f"{_length(spread.median)} (median of {spread.samples})"


def _numbers(report: AlertReport) -> Iterator[Row]:
    tally, paging, times = report.tally, report.paging, report.times
    pages = report.page_caught.recall if report.page_caught else None
    unreviewed = f"{tally.unreviewed} of {tally.firings - tally.excluded}"
    yield "firings that nobody reviewed", unreviewed, _bounds(report)
    yield "recall by pages alone", in_words(pages), ""
    for name, spread in (
        ("begin of the impact to the first alert (detection)", times.detection),
        ("end of the impact to the end of the last alert (reset)", times.reset),
        ("first alert to the ticket", times.lead),
        ("first alert to the acknowledgement", times.acknowledge),
    ):
        yield name, spread_in_words(spread), _range(spread)
    at_night = f"{paging.night_pages} at night ({paging.night})"
    yield "pages", paging.pages, at_night if report.silences_known else f"{at_night}; {SILENCES_UNKNOWN}"
    shifts = f"{paging.busiest} in the busiest; {paging.heavy_shifts} shifts had too many"
    yield "pages per shift", f"{paging.pages_per_shift:.2f}", f"{shifts}; {paging.rotation}"
    yield "duplicates", sum(one.duplicates for one in report.alerts), ""
    ignored = [one.not_acted_on for one in report.alerts]
    known = [one for one in ignored if one is not None]
    yield "firings that nobody acted on", sum(known) if report.reviewed else UNKNOWN, ""


def _bounds(report: AlertReport) -> str:
    low, high = report.tally.lowest, report.tally.highest
    if low is None or high is None or not report.reviewed:
        return ""
    return f"precision {low:.0%} if all of them were false, {high:.0%} if true"


def _worth(alert: AlertMeasures, *, reviewed: bool) -> Row:
    tally = alert.tally
    judged: Row = (tally.true_positives, tally.false_positives, tally.unreviewed)
    return (
        alert.alert,
        alert.service,
        alert.severity,
        tally.firings - tally.excluded,
        *(judged if reviewed else (UNKNOWN, UNKNOWN, UNKNOWN)),
        in_words(tally.precision if reviewed else None),
        f"{alert.flaps}, flapping" if alert.flapping else alert.flaps,
    )


def _load(alert: AlertMeasures) -> Row:
    return (
        alert.alert,
        alert.service,
        alert.pages,
        alert.night_pages,
        UNKNOWN if alert.silenced is None else alert.silenced,
        alert.duplicates,
        UNKNOWN if alert.not_acted_on is None else alert.not_acted_on,
        in_words(alert.caught.recall if alert.caught else None),
        spread_in_words(alert.times.lead),
        spread_in_words(alert.times.acknowledge),
    )


def _shift(load: ShiftLoad) -> Row:
    who = load.person or "nobody named"
    heavy = "yes" if load.heavy else "no"
    return who, rfc3339(load.start), rfc3339(load.end), load.pages, load.night_pages, heavy


def _range(spread: Spread | None) -> str:
    return "" if spread is None else f"{_length(spread.least)} to {_length(spread.most)}"


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s"
