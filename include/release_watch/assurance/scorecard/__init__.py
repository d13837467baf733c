"""The observability scorecard: composed from artifacts and Prometheus, compared with earlier ones, drawn."""

from __future__ import annotations

from release_watch.assurance.scorecard.comparing import Change, Earlier, changes
from release_watch.assurance.scorecard.composing import Sources, scorecard, slo_lines
from release_watch.assurance.scorecard.document import scorecard_markdown
from release_watch.assurance.scorecard.model import NAME, DriftCount, Scorecard

__all__ = [
    "NAME",
    "Change",
    "DriftCount",
    "Earlier",
    "Scorecard",
    "Sources",
    "changes",
    "scorecard",
    "scorecard_markdown",
    "slo_lines",
]
