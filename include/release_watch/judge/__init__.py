"""The judge: compares a current window with a baseline and gives a judgement with its reasons."""

from __future__ import annotations

from release_watch.judge.judgement import MetricJudgement, ReleaseJudgement, State
from release_watch.judge.metric import judge_metric
from release_watch.judge.release import judge_release
from release_watch.judge.spec import Direction, Family, Kind, MetricSpec

__all__ = [
    "Direction",
    "Family",
    "Kind",
    "MetricJudgement",
    "MetricSpec",
    "ReleaseJudgement",
    "State",
    "judge_metric",
    "judge_release",
]
