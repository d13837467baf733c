"""Alert tuning: what alerts were worth, changes proven on the past, and putting them into force."""

from release_watch.assurance.tuning.advice import Proposal, judge_tuning, proposals
from release_watch.assurance.tuning.report import tuning_markdown, tuning_report

__all__ = ["Proposal", "judge_tuning", "proposals", "tuning_markdown", "tuning_report"]
