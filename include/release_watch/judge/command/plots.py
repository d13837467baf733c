"""Which metrics are drawn, and the names of their files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from release_watch.files import write_whole

if TYPE_CHECKING:
    from release_watch.catalog.policies import JudgePolicy
    from release_watch.judge.cases import Case
    from release_watch.judge.judgement import MetricJudgement
    from release_watch.verdict import Verdict

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
LONGEST = 60


class Looked(Protocol):
    """The standing decision at one look, as far as it is drawn."""

    @property
    def look_minutes(self) -> float:
        """Minutes since the change."""

    @property
    def verdict(self) -> Verdict:
        """What the look concluded."""

    @property
    def judgements(self) -> Sequence[MetricJudgement]:
        """What was concluded about each metric."""


class Plots:
    """Draws into one folder, counts what was drawn, and notes what could not be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drawn = 0
        self.problems: list[str] = []

    def draw(self, case: Case, looks: Sequence[Looked], policy: JudgePolicy) -> None:
        """Draw each metric of the case that failed at a look."""
        from release_watch.judge.picture import Standing, draw

        if not (failed := failures(looks)):
            return
        standing = [Standing(look.look_minutes, look.verdict) for look in looks]
        metrics = {metric.name: metric for metric in case.metrics}
        for name, (minutes, judgement) in failed.items():
            if name not in metrics:
                continue
            try:
                png = draw(case, metrics[name], judgement, minutes, standing, policy)
            except (ValueError, ArithmeticError) as error:  # a picture that cannot be drawn costs no verdict
                self.problems.append(f"case {case.name!r}: {name} not drawn: {error}")
                continue
            write_whole(self.folder / file_name(case.name, name), png)
            self.drawn += 1


def failures(looks: Sequence[Looked]) -> dict[str, tuple[float, MetricJudgement]]:
    """Return for each metric that failed at a look, the last such look and its judgement."""
    return {
        judgement.spec.metric: (look.look_minutes, judgement)
        for look in looks
        for judgement in look.judgements
        if judgement.failed
    }


def file_name(case: str, metric: str) -> str:
    """Return a file name that says what is drawn, safe on any disk and different for any two metrics."""
    words = [_UNSAFE.sub("_", word).strip("._")[:LONGEST] or "_" for word in (case, metric)]
    mark = hashlib.sha256(f"{len(case)}:{case}{metric}".encode()).hexdigest()[:6]
    return f"{words[0]}.{words[1]}.{mark}.png"


def in_number(count: int, what: str) -> str:
    """Return a number of things in words, such as ``1 plot`` or ``2 plots``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
