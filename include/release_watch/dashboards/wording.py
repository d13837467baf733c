"""Numbers as people read them on a chart, by Grafana's id of their unit."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

_BYTES = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_TIMES = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def worded(value: float, unit: str) -> str:
    """Return ``value`` with its unit, in at most about eight characters."""
    if not isfinite(value):
        return "none"
    if unit.startswith("suffix:"):
        return f"{_short(value)} {unit.removeprefix('suffix:').strip()}"
    return _WORDED.get(unit, _short)(value)


def _percent(value: float) -> str:
    return f"{_short(value * 100)} %"


def _rate(value: float) -> str:
    return f"{_short(value)}/s"


def _short(value: float) -> str:
    if value == 0 or abs(value) < 0.0005:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _seconds(value: float) -> str:
    if abs(value) < 1:
        return f"{_short(value * 1000)} ms"
    name, size = next(((name, size) for name, size in _TIMES if abs(value) >= 2 * size), _TIMES[-1])
    return f"{_short(value / size)} {name}"


def _bytes(value: float) -> str:
    name, size = next(((name, size) for name, size in _BYTES if abs(value) >= size), ("B", 1))
    return f"{_short(value / size)} {name}"


def _throughput(value: float) -> str:
    return f"{_bytes(value)}/s"


_WORDED: dict[str, Callable[[float], str]] = {
    "percentunit": _percent,
    "s": _seconds,
    "bytes": _bytes,
    "Bps": _throughput,
    "reqps": _rate,
    "cps": _rate,
}
