"""What the lint says of a rule."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Remark(NamedTuple):
    """What is wrong with an expression, a text or a label, wherever it stands."""

    severity: Severity
    what: str
    why: str
    remedy: str


class Finding(NamedTuple):
    """What is wrong with a rule. ``what`` is the name of the check."""

    severity: Severity
    group: str
    rule: str
    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.group}/{self.rule}: {self.severity}: {self.what}: {self.why}; {self.remedy}"


def error(what: str, why: str, remedy: str) -> Remark:
    """Return a remark on what never works."""
    return Remark("error", what, why, remedy)


def warning(what: str, why: str, remedy: str) -> Remark:
    """Return a remark on what seldom works as meant."""
    return Remark("warning", what, why, remedy)
