"""Right after a deployment: what has not arrived yet is no gap."""

from __future__ import annotations

from datetime import timedelta

from release_watch.artifacts.models import CoverageCheck, CoverageStatus
from release_watch.clock import in_words
from release_watch.coverage.questions import Question, unanswered

ARRIVAL = timedelta(seconds=15)
"""What exporters, collectors and servers may take together: batches of five seconds are usual at each."""


def patient(check: CoverageCheck, question: Question) -> CoverageCheck:
    """Return ``check``, or the same as not answered if it fails too soon after the deployment."""
    age = question.at - question.release.deployed_at
    if check.status is not CoverageStatus.FAIL or age >= ARRIVAL:
        return check
    observed = f"{check.observed}, but {in_words(age)} after the deployment is too soon to tell"
    return unanswered(
        check.name, check.query, observed, check.expected, f"run the audit again; if it stays, {check.remedy}"
    )
