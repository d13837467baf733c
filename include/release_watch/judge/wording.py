"""The one sentence that says why a metric was judged as it was."""

from __future__ import annotations

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


def reason_for(judgement: MetricJudgement) -> str:
    """Return the reason in one sentence, with value, limit and baseline in the metric's unit."""
    unit = judgement.spec.unit
    value, limit, usual = (
        quantity(number, unit) for number in (judgement.value, judgement.threshold, judgement.baseline)
    )
    since = f" since {rfc3339(judgement.started_at)}" if judgement.started_at else ""
    if judgement.state is State.SUSTAINED:
        return (
            f"{value} against {usual} in the baseline{_change(judgement)}, beyond the limit of {limit}{since}"
        )
    if judgement.state is State.TRANSIENT:
        return f"a spike of {value}{since} beyond the limit of {limit}, not lasting; {usual} in the baseline"
    return f"{value} against {usual} in the baseline, within the limit of {limit}"


def _change(judgement: MetricJudgement) -> str:
    effect = judgement.effect
    if effect is None or judgement.baseline is None or judgement.baseline == 0:
        return ""
    if judgement.spec.kind is Kind.RATIO:
        return ""
    return f" ({1 + effect:.3g} times)" if effect >= 1 else f" ({effect:+.0%})"
