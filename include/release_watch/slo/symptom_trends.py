"""Will a resource run out: growth without end, and limits that it will reach within hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from release_watch.slo.rulefile import Rule
from release_watch.slo.symptom_alerts import Watched
from release_watch.slo.symptom_resources import Source

AGE = timedelta(hours=2)
"""A younger process still warms up: caches fill, code is compiled, threads are started."""

GROWTH = 2
AS_THE_DAY_BEFORE = 1.2
HOURS_LEFT = 4
LASTING = timedelta(minutes=15)
LASTING_ON_DISK = timedelta(minutes=30)

_MIB = 1024 * 1024
_CONTAINER = 'container!="",container!="POD"'
_DISK = 'fstype!~"tmpfs|overlay|squashfs|iso9660"'


class Growing(NamedTuple):
    """What should not grow for hours; the first of ``metrics`` that a service has is looked at."""

    alert: str
    summary: str
    description: str
    metrics: tuple[str, ...]
    least: int
    least_words: str


GROWING = (
    Growing(
        "MemoryGrowth",
        "memory grows towards exhaustion",
        "An instance uses {{ $value | humanize1024 }}B and no less for ten minutes, more than twice of what "
        "it used an hour ago.",
        ("process_resident_memory_bytes", f"container_memory_working_set_bytes {_CONTAINER}"),
        64 * _MIB,
        "64 MiB",
    ),
    Growing(
        "ThreadsGrowth",
        "threads grow without end",
        "An instance has {{ $value | humanize }} of them and no fewer for ten minutes, more than twice as "
        "many as an hour ago: something is started and never ends.",
        ("go_goroutines", "jvm_threads_live_threads", "jvm_threads_current", "process_threads"),
        500,
        "500",
    ),
)


class Filling(NamedTuple):
    """What reaches its limit at the pace of ``history``: ``share`` is used, ``later`` will be in 4 hours."""

    alert: str
    summary: str
    description: str
    history: str
    hold: timedelta
    over: float
    sources: tuple[tuple[Source, Source], ...]


def _filling(needs: tuple[str, ...], used: str, history: str) -> tuple[Source, Source]:
    """Return the sources of the used share now and in four hours, and only where the history is known."""
    predicted = f"predict_linear({{0}}[{history}], {HOURS_LEFT * 3600})"
    then = f"{used.format(predicted, '{1}')} and {{0}} offset {history}"
    return Source(needs, used.format("{0}", "{1}")), Source(needs, then)


FILLING = (
    Filling(
        "MemoryFillsUp",
        "memory will be used up within hours",
        "At the pace of the last two hours an instance needs {{ $value | humanizePercentage }} of its memory "
        "limit in four hours; at the limit it is killed.",
        "2h",
        LASTING,
        0.7,
        (
            _filling(
                (
                    f"container_memory_working_set_bytes {_CONTAINER}",
                    f"container_spec_memory_limit_bytes {_CONTAINER}",
                ),
                "{0} / ({1} > 0)",
                "2h",
            ),
        ),
    ),
    Filling(
        "DiskFillsUp",
        "a disk will be full within hours",
        "At the pace of the last six hours {{ $value | humanizePercentage }} of a disk are used in four "
        "hours; at 100 % writing fails.",
        "6h",
        LASTING_ON_DISK,
        0.6,
        (
            _filling(
                ("kubelet_volume_stats_used_bytes", "kubelet_volume_stats_capacity_bytes"),
                "{0} / ({1} > 0)",
                "6h",
            ),
            _filling(
                (f"node_filesystem_avail_bytes {_DISK}", f"node_filesystem_size_bytes {_DISK}"),
                "1 - {0} / ({1} > 0)",
                "6h",
            ),
        ),
    ),
)


def trends(watched: Watched) -> Iterator[tuple[Rule, ...]]:
    """Yield the alerts on growth and on limits that will be reached, of what the service shows."""
    for growing in GROWING:
        found = (watched.metric(*metric.split(" ", 1)) for metric in growing.metrics)
        if series := next((one for one in found if one), None):
            yield (_growth(watched, growing, series),)
    for filling in FILLING:
        read = ((now.read(watched), later.read(watched)) for now, later in filling.sources)
        if pair := next(((now, later) for now, later in read if now and later), None):
            yield (_exhaustion(watched, filling, *pair),)


def _growth(watched: Watched, growing: Growing, series: str) -> Rule:
    """Return an alert on the floor of a series: what never falls back is not released any more.

    Quiet on a process that is younger than two hours, and where the service needed as much at the same time
    of the day before.
    """
    now, before = f"min_over_time({series}[10m])", f"min_over_time({series}[1h] offset 1h)"
    old = f"{series} offset 2h"
    started = watched.metric("process_start_time_seconds")
    if started and not series.startswith("container_"):  # of which instance is the node, not the process
        old = f"{old} and on (instance) (time() - {started} > {int(AGE.total_seconds())})"
    usual = f"{AS_THE_DAY_BEFORE:g} * max(max_over_time({series}[1h] offset 23h30m))"
    return watched.alert(
        growing.alert,
        f"max({now} > {GROWTH} * {before} and {now} - {before} > {growing.least} and {old}) "
        f"unless max({now}) <= {usual}",
        "ticket",
        summary=growing.summary,
        description=growing.description,
        threshold=f"{GROWTH} times the least of the hour before last and {growing.least_words} more, "
        f"in a process older than 2h, and more than {AS_THE_DAY_BEFORE:g} times the most of the same time "
        "a day before (default)",
        hold=LASTING,
    )


def _exhaustion(watched: Watched, filling: Filling, now: str, later: str) -> Rule:
    return watched.alert(
        filling.alert,
        f"max(({later}) > 1 and ({now}) > {filling.over:g})",
        "ticket",
        summary=filling.summary,
        description=filling.description,
        threshold=f"full in {HOURS_LEFT}h at the pace of the last {filling.history}, and now above "
        f"{filling.over:.0%} (default)",
        hold=filling.hold,
    )
