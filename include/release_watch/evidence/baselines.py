"""``performance-baselines.json``: how each metric of each service was, as numbers in base units."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from release_watch.evidence.entries import Entry, EntryReading
from release_watch.evidence.models import Baseline
from release_watch.evidence.structured import Structured
from release_watch.identifiers import is_identifier

FILE = "performance-baselines.json"
_BESIDES = frozenset(
    {"service", "name", "samples", "queries", "query", "window", "version", "notes", "owner", "tier"}
)
_UNITS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), ("s", "1")),
    **dict.fromkeys(("ms", "millisecond", "milliseconds", "msec"), ("s", "0.001")),
    **dict.fromkeys(("us", "µs", "μs", "microsecond", "microseconds"), ("s", "0.000001")),
    **dict.fromkeys(("ns", "nanoseconds"), ("s", "0.000000001")),
    **dict.fromkeys(("min", "minutes"), ("s", "60")),
    **dict.fromkeys(("ratio", "fraction", "share", "1"), ("ratio", "1")),
    **dict.fromkeys(("%", "percent", "pct", "percentage"), ("ratio", "0.01")),
    **dict.fromkeys(("1/s", "/s", "rps", "req/s", "requests/s", "qps", "tps", "per_second"), ("1/s", "1")),
    **dict.fromkeys(("rpm", "req/min", "requests/min", "1/min", "per_minute"), ("1/s", "1/60")),
    **dict.fromkeys(("b", "byte", "bytes"), ("bytes", "1")),
    **dict.fromkeys(("kb", "kilobytes"), ("bytes", "1000")),
    **dict.fromkeys(("mb", "megabytes"), ("bytes", "1000000")),
    **dict.fromkeys(("gb", "gigabytes"), ("bytes", "1000000000")),
    **dict.fromkeys(("kib",), ("bytes", "1024")),
    **dict.fromkeys(("mib",), ("bytes", "1048576")),
    **dict.fromkeys(("gib",), ("bytes", "1073741824")),
    **dict.fromkeys(("cores", "cpu", "core"), ("cores", "1")),
    **dict.fromkeys(("count", "connections", "orders", "items", "total"), ("count", "1")),
}  # fmt: skip
_QUANTITY = re.compile(r"^([+-]?\d{1,18}(?:[.,]\d{1,12})?(?:[eE][+-]?\d{1,2})?) ?([^\s\d][^\s]{0,20})?$")


def read(document: Structured) -> EntryReading:
    """Return the baselines of a document: by service or as one list, each a number with its unit."""
    reading = EntryReading(document)
    for entry in reading.entries("services", "baselines", "metrics"):
        service = entry.text("service", "component", "service_name") or entry.name or entry.text("name")
        if not isinstance(entry.value, dict) or not is_identifier(service):
            reading.refuse(entry, "the baselines of a service")
            continue
        for metric in _metrics(entry, reading):
            _take(reading, service, metric)
    return reading


def _metrics(entry: Entry, reading: EntryReading) -> Iterator[Entry]:
    """Yield the metrics of one service, each under its name."""
    nested = next((key for key in ("metrics", "baselines", "values") if key in entry.value), None)
    if nested is not None:
        for one in reading.inside(Entry((*entry.place, nested), "", entry.value[nested])):
            yield one._replace(name=one.text("metric", "name") or one.name)
    elif "value" in entry.value:
        yield entry._replace(name=entry.text("metric", "name"))
    else:
        for name, value in entry.value.items():
            if name not in _BESIDES:
                yield Entry((*entry.place, name), name, value)


def _take(reading: EntryReading, service: str, metric: Entry) -> None:
    number, unit = (
        (metric.value.get("value"), metric.text("unit", "units"))
        if isinstance(metric.value, dict)
        else (metric.value, "")
    )
    if number is None and not isinstance(metric.value, dict):
        reading.take(metric, "baseline that was not measured")
        return
    quantity = quantity_of(number, unit or _unit_in(metric.name))
    if quantity is None or not metric.name or not is_identifier(metric.name.replace(" ", "_")):
        reading.refuse(metric, "a number with a unit")
        return
    value, base = quantity
    found = Baseline(
        service=service, metric=metric.name, value=value, unit=base, source=reading.source(metric)
    )
    reading.take(metric, "performance baseline", found)


def quantity_of(number: object, unit: str) -> tuple[float, str] | None:
    """Return a value in base units; None where it is no number, has no known unit, or cannot be right."""
    if isinstance(number, str) and (found := _QUANTITY.match(number.strip())):
        unit = found[2] or unit
        number = found[1].replace(",", ".")
    known = _UNITS.get(unit.strip().casefold())
    if isinstance(number, bool) or not isinstance(number, int | float | str) or known is None:
        return None
    base, factor = known
    over, _, under = factor.partition("/")
    try:
        value = float(Decimal(str(number)) * Decimal(over) / Decimal(under or 1))
    except (InvalidOperation, OverflowError):
        return None
    if not math.isfinite(value) or value < 0 or (base == "ratio" and value > 1):
        return None
    return value, base


def _unit_in(name: str) -> str:
    """Return the unit that a metric's name ends with: ``p95_latency_seconds``, ``error_ratio``."""
    words = re.split(r"[\s_.]+", name.casefold())
    pair = "_".join(words[-2:])
    return next((word for word in (pair, words[-1]) if word in _UNITS), "")
