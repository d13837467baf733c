"""The one sentence that says why a metric was judged as it was."""

from __future__ import annotations

from datetime import datetime

from release_watch.clock import rfc3339
from release_watch.judge.judgement import MetricJudgement, State, quantity
from release_watch.judge.spec import Kind


def too_little(baseline: int, current: int, baseline_needed: int, current_needed: int) -> str:
    """Return why nothing could be concluded."""
    if current == 0:
        return "no data since the release; check that the new version is scraped and exports this metric"
    if current < current_needed:
        return f"only {current} samples since the release; {current_needed} are needed"
    return f"the baseline holds {baseline} samples; {baseline_needed} are needed"


def silent_since(last: datetime) -> str:
    """Return why a metric that has stopped is not judged any more."""
    return f"no data since {rfc3339(last)}; check that the new version still runs and exports this metric"


def all_within(metrics: int) -> str:
    """Return the reason of a release none of whose metrics is unusual."""
    which = "its only metric is" if metrics == 1 else f"all {metrics} metrics are"
    return f"{which} within what the baseline does by itself"


def reason_for(judgement: MetricJudgement) -> str:
    """Return the reason in one sentence, with value, limit and baseline in the metric's unit."""
    unit = judgement.spec.unit
    value, limit, usual = (
        quantity(number, unit) for number in (judgement.value, judgement.threshold, judgement.baseline)
    )
    since = f" since {rfc3339(judgement.started_at)}" if judgement.started_at else ""
    if judgement.state is State.SUSTAINED and not _beyond(judgement):
        change = f"{value} against {usual} in the baseline{_change(judgement)}"
        return f"{change}, unlike what the baseline does by itself although not beyond {limit}{since}"
    if judgement.state is State.SUSTAINED:
        return (
            f"{value} against {usual} in the baseline{_change(judgement)}, beyond the limit of {limit}{since}"
        )
    if judgement.state is State.TRANSIENT:
        return f"a spike of {value}{since} beyond the limit of {limit}, not lasting; {usual} in the baseline"
    return f"{value} against {usual} in the baseline, within the limit of {limit}"


def _beyond(judgement: MetricJudgement) -> bool:
    """Return whether the value that is shown is as far from the baseline as its limit, or nobody knows."""
    value, limit, usual = judgement.value, judgement.threshold, judgement.baseline
    if value is None or limit is None or usual is None:
        return True
    same_way = (value >= usual) == (limit >= usual)
    return same_way and abs(value - usual) >= abs(limit - usual)


def _change(judgement: MetricJudgement) -> str:
    effect = judgement.effect
    if effect is None or judgement.baseline is None or judgement.baseline == 0:
        return ""
    if judgement.spec.kind is Kind.RATIO:
        return ""
    return f" ({1 + effect:.3g} times)" if effect >= 1 else f" ({effect:+.0%})"
