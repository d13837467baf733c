"""Cases: telemetry around changes, as a person has it in a file, read for the judge."""

from __future__ import annotations

from release_watch.judge.cases.model import Case, CaseMetric
from release_watch.judge.cases.reading import Reading, read, read_cases

__all__ = ["Case", "CaseMetric", "Reading", "read", "read_cases"]
