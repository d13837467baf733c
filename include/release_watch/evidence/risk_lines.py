"""Risks in lines, with how grave they are, where the words say so."""

from __future__ import annotations

import re

from release_watch.evidence.models import Risk, Severity
from release_watch.evidence.plain_words import Mark
from release_watch.evidence.recognition import NOTHING, Line, Names, Understood, severity_of

SECTION = re.compile(
    r"\brisk|\bknown (issue|limitation|problem|bug|defect)|\bconcern|\bcaveat|\bwatch[ -]?(out|list|points?)"
    r"|\b(things|what|points?|items) to watch|\bgotcha|\bwarnings?\b|\bopen (issue|point|question|problem)"
    r"|\blimitations?\b|\bhazard|\bunknowns?\b|\bdegraded\b",
    re.I,
)
_WORDS = r"critical|blocker|severe|high|major|medium|moderate|low|minor|p[0-4]|sev[0-4]"
_SAID = (
    re.compile(rf"\b(?:severity|impact|priority|level|risk)(?: level)? ?[:=–] ?({_WORDS})\b", re.I),
    re.compile(rf"[(\[]({_WORDS})(?:[ -](?:risk|severity|impact|priority))?[)\]]", re.I),
    re.compile(rf"(?:^|[:–] )({_WORDS}) ?(?:[:–]|- )", re.I),
    re.compile(rf"\b({_WORDS})[ -](?:risk|severity|impact|priority)\b", re.I),
)
_BY_MARK: dict[Mark, Severity] = {Mark.FAILED: "high", Mark.WARNING: "medium"}


def read(line: Line, names: Names) -> Understood:
    """Return the risk that ``line`` tells of."""
    if NOTHING.match(line.text) or not re.search(r"\w", line.text):
        return Understood("no risk")
    risk = Risk(text=line.text, service=line.service(names), severity=severity(line), source=line.source)
    return Understood("risk", (risk,))


def severity(line: Line) -> Severity:
    """Return how grave ``line`` says it is: in a column, in its words, by a sign, or by its heading."""
    column = line.cell("severity", "impact", "priority", "level", "criticality", "rating", "risk")
    if column and (known := severity_of(column)) != "unknown":
        return known
    for text in (line.text, line.piece.section):
        for pattern in _SAID:
            if found := pattern.search(text):
                return severity_of(found[1])
    if line.mark in _BY_MARK:
        return _BY_MARK[line.mark]
    return severity_of(line.piece.section)
