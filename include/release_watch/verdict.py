"""Verdicts: what a check concluded, with everything a person needs to believe it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Verdict(StrEnum):
    """The outcome of a check. Only ``GO`` and ``WARN`` proceed."""

    GO = "GO"
    WARN = "WARN"
    NO_GO = "NO_GO"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"

    @property
    def proceeds(self) -> bool:
        """Whether the protocol may go on."""
        return self in (Verdict.GO, Verdict.WARN)


class ExitState(StrEnum):
    """How a run of the protocol ended."""

    COMPLETED = "COMPLETED"
    BLOCKED = "BLOCKED"
    ABORTED = "ABORTED"
    ROLLED_BACK = "ROLLED_BACK"


_SEVERITY = [Verdict.GO, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.NO_GO]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the gravest verdict; nothing judged is ``INCONCLUSIVE``, never ``GO``."""
    return max(verdicts, key=_SEVERITY.index, default=Verdict.INCONCLUSIVE)


WARNINGS_TOLD = 3

MODEL = ConfigDict(frozen=True, defer_build=True)
"""Validators are built at first use: every parse of a DAG file imports this module."""


class Objective(BaseModel):
    """One thing a gate or a judge demanded, and what was found.

    ``value``, ``threshold`` and ``baseline`` are texts with their unit, so that they read the same in a
    log line, a table and a JSON artifact.
    """

    model_config = MODEL

    name: str
    verdict: Verdict
    reason: Annotated[str, Field(min_length=1)]
    value: str | None = None
    threshold: str | None = None
    baseline: str | None = None
    query: str | None = None
    samples: int | None = None


class Decision(BaseModel):
    """The verdict over several objectives; the gravest one decides."""

    model_config = MODEL

    verdict: Verdict
    objectives: tuple[Objective, ...]

    @classmethod
    def over(cls, objectives: Iterable[Objective]) -> Decision:
        """Return the decision over ``objectives``; none at all is ``INCONCLUSIVE``."""
        judged = tuple(objectives)
        return cls(verdict=worst(o.verdict for o in judged), objectives=judged)

    @property
    def failures(self) -> tuple[Objective, ...]:
        """The objectives that stop the protocol."""
        return tuple(o for o in self.objectives if not o.verdict.proceeds)

    @property
    def warnings(self) -> tuple[Objective, ...]:
        """The objectives that were met with something that a person should know."""
        return tuple(o for o in self.objectives if o.verdict is Verdict.WARN)

    def summary(self) -> str:
        """Return the verdict and the reasons that stop it, or else those to know, one sentence each."""
        if self.failures:
            return f"{self.verdict}: " + "; ".join(_sentence(objective) for objective in self.failures)
        met = f"{self.verdict}: {len(self.objectives)} of {len(self.objectives)} objectives met"
        if not self.warnings:
            return met
        told = [_sentence(objective) for objective in self.warnings[:WARNINGS_TOLD]]
        more = len(self.warnings) - WARNINGS_TOLD
        rest = [f"and {more} more"] if more > 0 else []
        return f"{met}, {len(self.warnings)} with a warning: {'; '.join([*told, *rest])}"


def _sentence(objective: Objective) -> str:
    """Return the reason, with the objective's name before it unless the reason says what it is about."""
    subject = objective.name.rpartition(": ")[2]
    return objective.reason if subject in objective.reason else f"{objective.name}: {objective.reason}"
