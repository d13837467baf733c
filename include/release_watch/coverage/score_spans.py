"""The rules SPA of the Instrumentation Score, from a sample of whole traces."""

from __future__ import annotations

from collections.abc import Sequence

from release_watch.coverage.score_rules import Answers, RuleAnswer, a_few, broken, met, untold
from release_watch.coverage.score_traces import Span, SpansSeen

SPAN_RULES = ("SPA-001", "SPA-002", "SPA-003", "SPA-004", "SPA-005")
MOST_INTERNAL = 10
"""SPA-001: internal spans of a service in one trace."""
MOST_SHORT = 20
"""SPA-005: spans of a trace that are shorter than :data:`SHORT_MS`; counted per service here."""
SHORT_MS = 5.0
_NO_KIND = "the trace server does not tell the kind of a span"


def span_rules(seen: SpansSeen) -> Answers:
    """Return the answers of the rules SPA for one service."""
    answers = {"SPA-003": untold("the specification has no criterion for it yet")}
    if not seen.spans:
        remedy = "see that its traces are live; the sample is of 20 traces, so not of every service"
        unseen = untold("no span of it in the sample", seen.query, remedy)
        return {**dict.fromkeys(SPAN_RULES, unseen), **answers}
    return {
        **answers,
        "SPA-001": _few_internal(seen),
        "SPA-002": _no_orphans(seen),
        "SPA-004": _no_client_root(seen),
        "SPA-005": _few_short(seen),
    }


def _few_internal(seen: SpansSeen) -> RuleAnswer:
    certain = max(_count(spans, "INTERNAL") for spans in seen.traces.values())
    possible = max(_count(spans, "INTERNAL", "") for spans in seen.traces.values())
    if certain > MOST_INTERNAL:
        remedy = "instrument fewer functions: spans are for what crosses a process, or takes time of its own"
        return broken(f"{certain} internal spans in one trace", seen.query, remedy)
    if possible > MOST_INTERNAL:
        return untold(_NO_KIND, seen.query)
    return met(f"at most {possible} internal spans in {_sample(seen)}", seen.query)


def _no_orphans(seen: SpansSeen) -> RuleAnswer:
    whole = {trace: spans for trace, spans in seen.traces.items() if trace in seen.whole}
    orphans = [
        span
        for trace, spans in whole.items()
        for span in spans
        if span.parent_id and span.parent_id not in seen.whole[trace]
    ]
    if orphans:
        remedy = "see that the caller exports its spans, and that sampling is decided at the root"
        observed = f"{len(orphans)} spans without their parent ({a_few(_names(orphans))})"
        return broken(observed, seen.query, remedy)
    if not whole:
        return untold("no trace with a root in the sample", seen.query)
    return met(f"every parent is there in {len(whole)} traces", seen.query)


def _no_client_root(seen: SpansSeen) -> RuleAnswer:
    roots = [span for span in seen.spans if not span.parent_id]
    if clients := [span for span in roots if span.kind == "CLIENT"]:
        remedy = "begin the trace with a span of what is served or run, and see that context is not lost"
        return broken(f"{len(clients)} client spans are roots ({a_few(_names(clients))})", seen.query, remedy)
    if not roots:
        return untold(f"no root of it in {_sample(seen)}", seen.query)
    if any(not span.kind for span in roots):
        return untold(_NO_KIND, seen.query)
    return met(f"none of {len(roots)} roots in {_sample(seen)} is a client span", seen.query)


def _few_short(seen: SpansSeen) -> RuleAnswer:
    if any(span.milliseconds is None for span in seen.spans):
        return untold("the trace server does not tell the length of a span", seen.query)
    short = max(
        sum(span.milliseconds is not None and span.milliseconds < SHORT_MS for span in spans)
        for spans in seen.traces.values()
    )
    if short > MOST_SHORT:
        remedy = "instrument fewer calls, or put many short ones into one span with a count"
        return broken(f"{short} spans shorter than {SHORT_MS:g} ms in one trace", seen.query, remedy)
    return met(f"at most {short} spans shorter than {SHORT_MS:g} ms in {_sample(seen)}", seen.query)


def _count(spans: Sequence[Span], *kinds: str) -> int:
    return sum(span.kind in kinds for span in spans)


def _names(spans: Sequence[Span]) -> list[str]:
    return sorted({span.name for span in spans})


def _sample(seen: SpansSeen) -> str:
    return f"{len(seen.traces)} traces"
