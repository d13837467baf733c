"""Label selectors of PromQL and LogQL, taken apart and written anew, so that nothing else slips through."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from release_watch.identifiers import promql_string

METRIC_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_MATCHER = re.compile(
    r"\s*(?P<label>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?P<operator>=~|!~|!=|=)\s*"
    r"(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)\s*(?P<next>,|$)"
)
_COUNTER = re.compile(rf"\s*(?P<name>{METRIC_NAME})\s*(?:\{{(?P<matchers>.*)\}})?\s*", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


class Matcher(NamedTuple):
    """One label matcher, its value unescaped."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.label}{self.operator}{promql_string(self.value)}"


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """Return the matchers of ``job="shop/checkout",version!="1.0"``, with or without braces around it.

    Raises:
        ValueError: if it is no selector, or one that matches everything.
    """
    matchers = _matchers(_without_braces(text))
    if not any(_demands_something(m) for m in matchers):
        raise ValueError('needs at least one matcher that asks for a value, such as job="shop/checkout"')
    return matchers


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Return the matchers of a text that narrows another selector, such as ``grpc_code!="OK"``.

    Raises:
        ValueError: if there is none, or one that cannot be read.
    """
    matchers = _matchers(_without_braces(text))
    if not matchers:
        raise ValueError('needs at least one matcher, such as outcome="failed"')
    return matchers


def parse_counter(text: str) -> tuple[str, tuple[Matcher, ...]]:
    """Return the metric name and matchers of a bare series selector such as ``requests_total{job="x"}``.

    Raises:
        ValueError: if it is anything else, for example an expression.
    """
    found = _COUNTER.fullmatch(text)
    if not found:
        raise ValueError('is no bare counter selector such as http_requests_total{job="shop/checkout"}')
    return found["name"], _matchers(found["matchers"] or "")


def joined(matchers: Iterable[Matcher]) -> str:
    """Return matchers as they stand between the braces of a selector."""
    return ",".join(str(matcher) for matcher in matchers)


def one_of(values: Iterable[str]) -> str:
    """Return a regular expression that matches exactly these values."""
    return "|".join(re.escape(value) for value in sorted(set(values)))


def _without_braces(text: str) -> str:
    inner = text.strip()
    return inner[1:-1] if inner.startswith("{") and inner.endswith("}") else inner


def _matchers(inner: str) -> tuple[Matcher, ...]:
    found, position = [], 0
    while position < len(inner.rstrip()):
        match = _MATCHER.match(inner, position)
        if not match:
            raise ValueError(
                f'cannot be read from {inner[position : position + 40]!r} on; expected label="value"'
            )
        matcher = Matcher(match["label"], match["operator"], _unquoted(match["text"]))
        _check_pattern(matcher)
        found.append(matcher)
        position = match.end()
    return tuple(found)


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    if text[0] == "`":
        return inner

    def plain(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise ValueError(f"escape {match[0]!r} is not known; write a backslash as \\\\")
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", plain, inner)


def _check_pattern(matcher: Matcher) -> None:
    if matcher.operator in ("=~", "!~"):
        try:
            re.compile(matcher.value)
        except re.error as error:
            raise ValueError(
                f"{matcher.label}: {matcher.value!r} is no regular expression: {error}"
            ) from error


def _demands_something(matcher: Matcher) -> bool:
    if matcher.operator == "=":
        return matcher.value != ""
    if matcher.operator == "=~":
        return re.fullmatch(matcher.value, "") is None
    return False
