"""What two dashboards show differently, a line each; what Grafana fills in is no difference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from release_watch.assurance.drift.board_defaults import UNSEEN, Path, says_nothing
from release_watch.assurance.drift.wording import changed
from release_watch.telemetry.promql_meaning import read, same_meaning

_OF_BOARD = frozenset({"id", "uid", "version", "schemaVersion", "iteration", "panels"})
_OF_PANEL = frozenset({"id", "gridPos", "collapsed", "panels", "title"})
_NAMED_BY = {"targets": "refId", "list": "name", "links": "title"}
"""What tells the entries of these lists apart, wherever in the list they stand."""
_VARIABLES = {"$__rate_interval": "61s", "$__interval": "62s", "$__range": "63s"}
"""What Grafana fills in, and a length to read it as."""
_QUERY = "expr"
_DEFAULTS = ("fieldConfig", "defaults")
_Flat = dict[Path, Any]


class _Panel(NamedTuple):
    number: Any
    kind: str
    title: str
    says: _Flat

    @property
    def name(self) -> str:
        return f"{self.kind} {self.title!r}"

    @property
    def queries(self) -> list[str]:
        return [str(value) for path, value in sorted(self.says.items()) if path[-1] == _QUERY]


def board_differences(expected: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    """Yield how ``live`` differs from ``expected``: first the dashboard, then panel by panel.

    Panels are the same if kind and title are, else if their number is and either kind or queries are.
    """
    yield from _compared("", _board(expected), _board(live))
    old, new = _panels(expected), _panels(live)
    pairs = _paired(old, new)
    there = {id(other) for _, other in pairs}
    found = {id(one): other for one, other in pairs}
    for one in old:
        other = found.get(id(one))
        if other is None:
            yield f"panel {one.name}: [-removed-]"
            continue
        if one.title != other.title:
            yield changed(f"panel {one.name}: retitled", one.title, other.title)
        if one.kind != other.kind:
            yield changed(f"panel {one.name}: shown as", one.kind, other.kind)
        yield from _compared(f"panel {one.name}: ", one.says, other.says)
    yield from (f"panel {one.name}: {{+added+}}" for one in new if id(one) not in there)


def _paired(old: Sequence[_Panel], new: Sequence[_Panel]) -> list[tuple[_Panel, _Panel]]:
    pairs: list[tuple[_Panel, _Panel]] = []
    for alike in (_same_in_all, _same_name, _same_number, _same_queries):
        paired = {id(one) for pair in pairs for one in pair}
        left = [one for one in new if id(one) not in paired]
        for one in (one for one in old if id(one) not in paired):
            other = next((other for other in left if alike(one, other)), None)
            if other is not None:
                left = [panel for panel in left if panel is not other]
                pairs.append((one, other))
    return pairs


def _same_in_all(one: _Panel, other: _Panel) -> bool:
    return one.name == other.name and one.says == other.says


def _same_name(one: _Panel, other: _Panel) -> bool:
    return one.name == other.name


def _same_number(one: _Panel, other: _Panel) -> bool:
    alike = one.kind == other.kind or one.title == other.title or one.queries == other.queries
    return one.number is not None and one.number == other.number and alike


def _same_queries(one: _Panel, other: _Panel) -> bool:
    return bool(one.queries) and one.queries == other.queries


def _board(model: Mapping[str, Any]) -> _Flat:
    flat: _Flat = {}
    for key in model.keys() - _OF_BOARD:
        flat.update(_flat((key,), model[key]))
    return {path: value for path, value in flat.items() if not says_nothing(path, value)}


def _panels(model: Mapping[str, Any]) -> list[_Panel]:
    """Return every panel, also those in folded rows."""
    return [
        _panel(one)
        for panel in _mappings(model.get("panels"))
        for one in (panel, *_mappings(panel.get("panels")))
    ]


def _panel(model: Mapping[str, Any]) -> _Panel:
    kind, source = str(model.get("type") or ""), model.get("datasource")
    flat: _Flat = {}
    for key in model.keys() - _OF_PANEL - {"type"}:
        value = model[key]
        if key == "targets" and source:  # a query without a source of its own asks that of its panel
            value = [{**one, "datasource": one.get("datasource") or source} for one in _mappings(value)]
        flat.update(_flat((key,), value))
    says = {path: value for path, value in flat.items() if not says_nothing(path, value, kind)}
    return _Panel(model.get("id"), kind, str(model.get("title") or ""), says)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _flat(path: Path, value: Any) -> _Flat:
    """Return every value in ``value`` by the way to it; lists of plain values as one text."""
    if path[-1] in UNSEEN:
        return {}
    if isinstance(value, Mapping):
        return {k: v for key, one in value.items() for k, v in _flat((*path, str(key)), one).items()}
    if not isinstance(value, list):
        return {path: value}
    if path[-2:] == ("thresholds", "steps"):
        return {path: _steps(_mappings(value))}
    if not _mappings(value):
        words = [_text(one) for one in value]
        return {path: ", ".join(sorted(words) if path == ("tags",) else words)}
    flat: _Flat = {}
    for at, one in enumerate(value):
        if not _of_grafana(path, one):
            flat.update(_flat((*path, _name_of(path, at, one, flat)), one))
    return flat


def _of_grafana(path: Path, one: Any) -> bool:
    """Return whether Grafana adds this entry to the annotations of every dashboard."""
    return path == ("annotations", "list") and isinstance(one, Mapping) and one.get("builtIn") == 1


def _name_of(path: Path, at: int, one: Any, taken: Mapping[Path, Any]) -> str:
    by = _NAMED_BY.get(path[-1])
    if by is None or not isinstance(one, Mapping):
        return str(at)
    name = str(one.get(by) or (chr(ord("A") + at) if by == "refId" else at))
    return f"{name} ({at})" if any(key[: len(path) + 1] == (*path, name) for key in taken) else name


def _steps(steps: Sequence[Mapping[str, Any]]) -> str:
    """Return thresholds as people say them; the first begins at minus infinity whatever its value is."""
    said = [
        str(step.get("color")) + (f" from {_text(step.get('value'))}" if at else "")
        for at, step in enumerate(steps)
    ]
    return ", ".join(said)


def _compared(place: str, old: _Flat, new: _Flat) -> Iterator[str]:
    for path in sorted(old.keys() | new.keys()):
        one, other = old.get(path), new.get(path)
        if one == other or path[-1] == "refId" or (path not in old and _chosen(path)):
            continue
        if path[-1] == _QUERY and one and other and _same_query(str(one), str(other)):
            continue
        yield changed(place + _named(path), _shown(one), _shown(other))


def _chosen(path: Path) -> bool:
    """Return whether this is what somebody had chosen of a variable when the dashboard was saved."""
    return path[:1] == ("templating",) and ("current" in path or "options" in path)


def _same_query(one: str, other: str) -> bool:
    return same_meaning(_filled(one), _filled(other))


def _filled(text: str) -> str:
    for name, length in _VARIABLES.items():
        filled = text.replace(name, length)
        if filled != text and read(filled).meaning is not None:
            text = filled
    return text


def _named(path: Path) -> str:
    """Return what people call this value."""
    if path[0] == "targets" and len(path) > 1:
        return f"query {path[1]}" if path[2:] == (_QUERY,) else f"query {path[1]}, {'.'.join(path[2:])}"
    if path[:2] == _DEFAULTS:
        return "thresholds" if path[2:] == ("thresholds", "steps") else ".".join(path[2:])
    named = {"templating": "variable", "annotations": "annotations"}.get(path[0])
    if named and len(path) > 2:
        return ", ".join(part for part in (f"{named} {path[2]}", ".".join(path[3:])) if part)
    return ".".join(path)


def _shown(value: Any) -> str | None:
    return None if value is None else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
