"""Checks of alerting rules: condition, ``for``, identity, templates, annotations, absence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from release_watch.clock import in_words
from release_watch.slo.lint.findings import Remark, error, warning
from release_watch.slo.lint.tree import COMPARISONS, Tree, bare, children, is_scalar, metric_name
from release_watch.slo.rulefile import Rule, parse_prometheus_duration

if TYPE_CHECKING:
    from promql_parser import BinaryExpr, Call, Expr

ALWAYS_FIRING = ("Watchdog", "DeadMansSwitch")
_VALUE = re.compile(r"\{\{[^}]*(\$value|\.Value|\bquery\b)")
_LABEL = re.compile(r"\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)")
_CHANGING = ("commit", "sha", "git_sha", "revision", "build", "build_id", "release_id", "deployment_id")
_PERHAPS_CHANGING = ("version", "release", "timestamp", "image")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_RUNBOOK = ("runbook_url", "runbook")

_Condition = Literal["yes", "no", "perhaps"]


def alert_remarks(rule: Rule, tree: Tree, interval: str | None) -> Iterator[Remark]:
    """Yield what is wrong with an alerting rule; ``interval`` is that of its group."""
    pace = parse_prometheus_duration(interval) if interval else None
    held = parse_prometheus_duration(rule.hold) if rule.hold else timedelta(0)
    if rule.name not in ALWAYS_FIRING and _condition(tree.root) == "no":
        why = "the expression compares nothing, so the alert fires whenever there are series"
        yield error("no condition", why, "compare with a threshold, without bool")
    if pace is not None and timedelta(0) < held < pace:
        why = f"for: {in_words(held)} is shorter than the evaluation interval of {in_words(pace)}"
        yield warning("short for", why, "use at least the interval, or leave for out")
    yield from _identity_remarks(rule)
    yield from _template_remarks(rule, tree)
    yield from _annotation_remarks(rule)
    yield from _absence_remarks(tree, held, pace)


def _condition(node: Expr) -> _Condition:
    """Return whether an expression has no result while all is well."""
    import promql_parser as promql

    node = bare(node)
    match node:
        case promql.BinaryExpr():
            return _condition_of_two(node)
        case promql.Call():
            return _condition_of_call(node)
        case promql.VectorSelector():
            name = metric_name(node)
            return "perhaps" if not name or ":" in name or name.startswith("ALERTS") else "no"
        case promql.NumberLiteral() | promql.StringLiteral() | promql.MatrixSelector():
            return "no"
    inner = children(node)
    return _condition(inner[-1]) if inner else "perhaps"


def _condition_of_two(node: BinaryExpr) -> _Condition:
    operator = str(node.op)
    if operator in COMPARISONS:
        return "no" if node.modifier is not None and node.modifier.return_bool else "yes"
    if operator in ("and", "unless"):
        return "yes"
    both = {_condition(node.lhs), _condition(node.rhs)}
    if operator == "or":
        return "no" if "no" in both else "perhaps" if "perhaps" in both else "yes"
    return "no" if both == {"no"} else "perhaps"


def _condition_of_call(node: Call) -> _Condition:
    if node.func.name in ("absent", "absent_over_time"):
        return "yes"
    inner = [argument for argument in node.args if not is_scalar(argument)]
    return _condition(inner[0]) if inner else "no"


def _identity_remarks(rule: Rule) -> Iterator[Remark]:
    remedy = "labels are an alert's identity; put it into an annotation"
    for label, value in rule.labels.items():
        if _VALUE.search(value):
            why = f"label {label} changes with the value, and each change is a new alert that waits anew"
            yield error("changing label", why, remedy)
        elif label in _CHANGING or _COMMIT.fullmatch(value):
            why = f"label {label} changes with every release, and then the alert fires and notifies anew"
            yield error("changing label", why, remedy)
        elif label in _PERHAPS_CHANGING:
            yield warning("changing label", f"label {label} may change with every release", remedy)


def _template_remarks(rule: Rule, tree: Tree) -> Iterator[Remark]:
    labels = tree.labels()
    for where, texts in (("label", rule.labels), ("annotation", rule.annotations)):
        for name, text in texts.items():
            for label in sorted(set(_LABEL.findall(text))):
                if labels.lacks(label):
                    why = f"{where} {name} shows $labels.{label}, which the expression's result never has"
                    remedy = (
                        f"aggregate by ({label}), or leave it out; labels of the rule itself are not in it"
                    )
                    yield error("template", why, remedy)


def _annotation_remarks(rule: Rule) -> Iterator[Remark]:
    if not rule.annotations.get("summary", "").strip():
        why = "has no summary: the page says nothing"
        yield warning("annotation", why, "add the annotation summary")
    if rule.name not in ALWAYS_FIRING and not any(rule.annotations.get(key, "").strip() for key in _RUNBOOK):
        why = "has no runbook: who is woken has to find out alone"
        yield warning("annotation", why, "add the annotation runbook_url")


def _absence_remarks(tree: Tree, held: timedelta, pace: timedelta | None) -> Iterator[Remark]:
    import promql_parser as promql

    calls = [node for node in tree.nodes if isinstance(node, promql.Call) and node.func.name == "absent"]
    for call in calls:
        if not isinstance(bare(call.args[0]), promql.VectorSelector):
            why = "absent() of an expression has no labels, and is true of an empty result for any reason"
            yield warning("fragile absent", why, "ask for the selector itself")
    if calls and (not held or held < 2 * (pace or timedelta(0))):
        why = "absent() fires at the first gap: one failed scrape or a restart is enough"
        yield warning("fragile absent", why, "add for: two intervals at least")
