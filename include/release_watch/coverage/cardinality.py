"""Whether a service has no more series than it may, and else which label makes them so many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from release_watch.artifacts.models import CoverageCheck
from release_watch.coverage.batches import batches
from release_watch.coverage.conventions import VERSION_LABELS
from release_watch.coverage.inquiry import Answers, Inquiry, Part, Watched, firsts
from release_watch.coverage.questions import failed, passed, unanswered

MOST_EXPLAINED = 10
"""Services, the largest first, whose label is looked for: each costs reading its series."""

_SAMPLED = 5
_REMEDY = (
    "take {label} out of the metric or bound its values: ids, raw paths and texts belong in logs and traces"
)


@dataclass(frozen=True)
class _Culprit:
    metric: str
    series: int
    label: str = ""
    values: int = 0


def check_cardinality(live: Mapping[str, Sequence[Watched]], inquiry: Inquiry) -> dict[str, CoverageCheck]:
    """Return whether each service has at most ``max_series`` series, of the release where versions are known.

    Prometheus tells how many samples each target gave at its last scrape. Only where it does not, as with
    pushed metrics, they are counted.

    Raises:
        BackendError: if the server does not answer, or refuses the query.
    """
    ones = firsts(live)
    scraped = _count("scraped", ones, inquiry)
    counted = _count("counted", [one for one in ones if one.service not in scraped], inquiry)
    sizes = counted | scraped
    most = inquiry.question.policy.max_series
    over = sorted((one for one in ones if sizes.get(one.service, 0) > most), key=lambda o: -sizes[o.service])
    culprits = _find_culprits(over[:MOST_EXPLAINED], inquiry)
    return {
        one.service: _check(one, sizes.get(one.service), one.service in scraped, culprits, most)
        for one in ones
    }


def _size(kind: str, matchers: str, grouping: str) -> str:
    if kind == "scraped":
        return f"sum{grouping} (scrape_samples_post_metric_relabeling{{{matchers}}})"
    return f"count{grouping} ({{{matchers}}})"


def _count(kind: str, ones: Sequence[Watched], inquiry: Inquiry) -> dict[str, int]:
    answers = inquiry.ask(
        Part(kind, batch, _size(kind, batch.matchers, batch.grouping(*VERSION_LABELS)))
        for batch in batches({one.service: one.selector for one in ones})
    )
    return {
        one.service: int(sum(sample.value for sample in found))
        for one in ones
        if (found := [s for s in answers.of(kind, one.service) if one.scope.counts(s.labels)])
    }


def _check(
    one: Watched, size: int | None, scraped: bool, culprits: Mapping[str, _Culprit], most: int
) -> CoverageCheck:
    expected = f"at most {most} series"
    query = _size("scraped" if scraped else "counted", one.source.batch.matchers, "")
    if size is None:
        return unanswered("cardinality", query, "no series to count", expected, "run the audit again")
    if size <= most:
        return passed("cardinality", query, f"{size} series", expected)
    culprit = culprits.get(one.service)
    if culprit is None:
        remedy = "find the metric with the most series: topk(5, count by (__name__) ({<selector>}))"
        return failed("cardinality", query, f"{size} series", expected, remedy)
    observed = f"{size} series, {culprit.series} of them of {culprit.metric}"
    if not culprit.label:
        return failed("cardinality", query, observed, expected, _REMEDY.format(label="a label"))
    observed += f", whose label {culprit.label} has {culprit.values} values"
    return failed("cardinality", query, observed, expected, _REMEDY.format(label=culprit.label))


def _find_culprits(ones: Sequence[Watched], inquiry: Inquiry) -> dict[str, _Culprit]:
    """Return of each service the metric with the most series, and its label with the most values."""
    largest = inquiry.ask(
        Part("largest", one.source.batch, f"topk(1, count by (__name__) ({{{one.source.batch.matchers}}}))")
        for one in ones
    )
    culprits = {}
    for one in ones:
        for sample in largest.of("largest", one.service):
            culprits[one.service] = _Culprit(sample.labels.get("__name__", ""), int(sample.value))
    ones = [one for one in ones if one.service in culprits]
    labels = _labels(ones, culprits, inquiry)
    counts = inquiry.ask(
        Part(label, one.source.batch, f"count(count by ({label}) ({_series(one, culprits, label)}))")
        for one in ones
        for label in labels[one.service]
    )
    return {
        one.service: _named(culprits[one.service], one.service, labels[one.service], counts) for one in ones
    }


def _series(one: Watched, culprits: Mapping[str, _Culprit], label: str = "") -> str:
    having = f',{label}!=""' if label else ""
    return f"{culprits[one.service].metric}{{{one.source.batch.matchers}{having}}}"


def _labels(
    ones: Sequence[Watched], culprits: Mapping[str, _Culprit], inquiry: Inquiry
) -> dict[str, list[str]]:
    """Return the labels of a few of the series."""
    some = inquiry.ask(
        Part("some", one.source.batch, f"topk({_SAMPLED}, {_series(one, culprits)})") for one in ones
    )
    return {
        one.service: _label_names(sample.labels for sample in some.of("some", one.service)) for one in ones
    }


def _label_names(series: Iterable[Mapping[str, str]]) -> list[str]:
    return sorted({name for labels in series for name in labels if not name.startswith("__")})


def _named(culprit: _Culprit, service: str, labels: Sequence[str], counts: Answers) -> _Culprit:
    values = {label: int(counts.most(label, service) or 0) for label in labels}
    if not values:
        return culprit
    label = max(values, key=lambda name: values[name])
    return _Culprit(culprit.metric, culprit.series, label, values[label])
