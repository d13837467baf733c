"""Alert quality as a person reads it on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from release_watch.assurance.proportion import in_words
from release_watch.assurance.quality.models import (
    AlertMeasures,
    AlertReport,
    Caught,
    Paging,
    Spread,
    Tally,
    Times,
)
from release_watch.clock import in_words as length_in_words
from release_watch.clock import rfc3339

MOST = 20


def lines_of(report: AlertReport) -> Iterator[str]:
    """Yield the lines: first the whole, then each alert, the missed incidents, and sources."""
    yield f"{report.verdict}: {rfc3339(report.window.start)} to {rfc3339(report.window.end)}; {report.reason}"
    yield from (f"NOTE: {note}" for note in report.notes)
    yield f"precision   {_precision(report.tally)}"
    yield f"recall      {_caught(report.caught)}; by pages {_caught(report.page_caught)}"
    yield from (f"{name:<11} {text}" for name, text in _times(report.times))
    yield f"pages       {_paging(report.paging)}"
    for alert in report.alerts:
        yield f"  {alert.service} {alert.alert} ({alert.severity}): {'; '.join(_alert(alert))}"
    for incident in report.missed[:MOST]:
        began = rfc3339(incident.began_at)
        yield f"  no alert told of {incident.ref} ({incident.service}, {began}): {incident.title}"
    if len(report.missed) > MOST:
        yield f"  and of {len(report.missed) - MOST} more"
    yield f"incidents from {report.incident_source}"
    yield from (f"{name}: {query}" for name, query in report.queries.items())
    yield from (f"rule: {rule}" for rule in report.rules)


def _precision(tally: Tally) -> str:
    words = in_words(tally.precision)
    if tally.unreviewed and tally.lowest is not None and tally.highest is not None:
        words += (
            f"; {tally.unreviewed} more were not reviewed, with which it is {tally.lowest:.0%} to "
            f"{tally.highest:.0%}"
        )
    return words


def _caught(caught: Caught | None) -> str:
    return "unknown" if caught is None else in_words(caught.recall)


def _times(times: Times) -> Iterator[tuple[str, str]]:
    yield "detection", f"{_spread(times.detection)} from the begin of the impact to the first alert"
    yield "reset", f"{_spread(times.reset)} from its end to the end of the last alert"
    yield "lead", f"{_spread(times.lead)} from the first alert to the ticket"
    yield "acknowledge", f"{_spread(times.acknowledge)} from the first alert to the acknowledgement"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "unknown"
    least, most = _length(spread.least), _length(spread.most)
    return f"{_length(spread.median)} (median of {spread.samples}; {least} to {most})"


def _length(seconds: float) -> str:
    words = length_in_words(timedelta(seconds=abs(seconds)))
    return f"-{words}" if seconds < 0 else words


def _paging(paging: Paging) -> str:
    return (
        f"{paging.pages}, {paging.night_pages} at night ({paging.night}); {paging.pages_per_shift:.2g} per "
        f"shift, at most {paging.busiest}, {paging.heavy_shifts} shifts too heavy; {paging.rotation}"
    )


def _alert(alert: AlertMeasures) -> Iterator[str]:
    tally = alert.tally
    yield f"{tally.firings} firings"
    yield f"precision {_precision(tally)}"
    yield f"recall {_caught(alert.caught)}"
    marks = (
        (alert.noisy, "NOISY"),
        (alert.flapping, f"FLAPPING, came back {alert.flaps} times"),
        (alert.duplicates > 0, f"{alert.duplicates} duplicates"),
        (bool(alert.night_pages), f"{alert.night_pages} pages at night"),
        (bool(alert.not_acted_on), f"nobody acted on {alert.not_acted_on}"),
        (tally.excluded > 0, f"{tally.excluded} excluded"),
    )
    yield from (words for holds, words in marks if holds)
