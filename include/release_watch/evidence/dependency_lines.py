"""Who calls whom, newly or no longer, and which libraries changed, in lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from release_watch.evidence.models import Dependency, LibraryChange
from release_watch.evidence.plain_words import ARROW, arrows
from release_watch.evidence.recognition import NOTHING, Line, Names, Understood, not_understood
from release_watch.identifiers import is_identifier

SECTION = re.compile(
    r"\bdependenc|\bupstreams?\b|\bdownstreams?\b|\bcall graph|\bintegrations?\b|\blibrar(y|ies)\b"
    r"|\bpackages?\b",
    re.I,
)
Change = Literal["calls", "added", "removed"]

_NAME = r"([A-Za-z0-9][\w.-]*)"
_VERBS = (
    "calls|call|depends on|uses|use|talks to|requires|consumes|publishes to|subscribes to|reads from"
    "|writes to|queries|invokes|needs"
)
_ARROWED = re.compile(rf"^(?:the )?{_NAME} ?{ARROW} ?:?(.+)$")
_BACKWARDS = re.compile(rf"^{_NAME} ?(?:<-+|<=+|←|⇐) ?{_NAME}$")
_SAID = re.compile(
    rf"^(?:the )?{_NAME}(?: service)?((?: (?:now|newly|also|does|no longer|not))*) (?:{_VERBS}):? (.+)$", re.I
)
_PASSIVE = re.compile(
    rf"^(?:the )?{_NAME}(?: service)? is((?: (?:now|newly|also|no longer))*) "
    rf"(?:called|used|consumed|invoked|required|needed|queried) by (?:the )?(.+)$",
    re.I,
)
_NEW_ONE = re.compile(
    rf"^(?:(new|added|removed|dropped) )(?:service |upstream |downstream |external )?dependenc(?:y|ies)"
    rf"(?: on| to|:)* {_NAME}(.*)$",
    re.I,
)
_CHANGED = r"upgrad\w+|bump\w*|updat\w+|downgrad\w+|add(?:ed|s)?|remov\w+|replac\w+|migrat\w+|pinn?\w*"
_THING = r"librar(?:y|ies)|packages?|modules?|drivers?|clients?|sdks?|frameworks?|runtimes?"
_LIBRARY = re.compile(
    rf"\b(?:{_CHANGED})\b.{{0,40}}\b(?:{_THING})\b|\b(?:{_THING})\b.{{0,60}}\b(?:{_CHANGED})\b", re.I
)
_UPGRADE = re.compile(rf"\b(?:{_CHANGED})\b.{{0,80}}?\bv?\d{{1,9}}\.\d", re.I)
_BEGINS = re.compile(rf"^(?:{_CHANGED})\b", re.I)
_LIBRARY_CHANGE = "library change"
_VERSIONS = re.compile(rf"\bv?\d[\w.+-]{{0,30}}+ ?(?:{ARROW}|to|–) ?v?\d[\w.+-]*", re.I)
_BRACKETS = re.compile(rf"^{_NAME} ?\(([^()]*)\)$")
_NOTE = re.compile(r" ?\([^()]*\)")
_APART = re.compile(r" ?(?:,|;| and |&|\+) ?")
_CLAUSE = re.compile(r"(?:which|that|who|because|so|when|where|if|as|instead|but)\b", re.I)
_LONGEST = 80


def read(line: Line, names: Names) -> Understood:
    """Return the calls or the library change that a line of a section on dependencies tells of."""
    if NOTHING.match(line.text):
        return Understood("no dependency")
    if line.piece.kind == "row":
        return _of_row(line, names)
    found = said(line, names) or _listed(line, names)
    return found or not_understood("a dependency", line)


def said(line: Line, names: Names) -> Understood | None:
    """Return what ``line`` says wherever it stands; None if it says nothing of dependencies."""
    text = arrows(line.text).rstrip(".")
    if _VERSIONS.search(text) or _LIBRARY.search(text) or _UPGRADE.search(text):
        return _version_change(line, text, names)
    if match := _ARROWED.match(text):
        return _calls(match[1], match[2], "calls", line)
    if match := _BACKWARDS.match(text):
        return _calls(match[2], match[1], "calls", line)
    if match := _SAID.match(text):
        return _calls(match[1], match[3], _change(match[2]), line)
    if match := _PASSIVE.match(text):
        callers = _APART.split(_NOTE.sub("", match[3]))
        found = [_calls(caller, match[1], _change(match[2]), line) for caller in callers]
        return Understood("dependency", tuple(d for one in found if one for d in one.found))
    return _new_one(text, line, names)


def certain(line: Line, names: Names) -> Understood | None:
    """Return what ``line`` says outside of sections on dependencies: only where it names a service."""
    found = said(line, names)
    if found and found.as_ == _LIBRARY_CHANGE and not _speaks_of_a_library(arrows(line.text)):
        return None
    if found is None or any(isinstance(one, Dependency) and not _known(one, names) for one in found.found):
        return None
    return found if found.problem is None else None


def _known(dependency: Dependency, names: Names) -> bool:
    return names.mentioned(dependency.service) == dependency.service


def _new_one(text: str, line: Line, names: Names) -> Understood | None:
    found = _NEW_ONE.match(text)
    service = line.service(names)
    if not found or service is None or service == found[2]:
        return None
    change: Change = "added" if found[1].lower() in ("new", "added") else "removed"
    return _calls(service, found[2], change, line)


def _listed(line: Line, names: Names) -> Understood | None:
    """Read ``checkout: payments, redis``, or a plain name under the service that calls it."""
    if line.field and (service := names.mentioned(line.field[0])):
        return _calls(service, line.field[1], "calls", line)
    if (in_brackets := _BRACKETS.match(line.text)) and (service := names.mentioned(in_brackets[2])):
        return _calls(service, in_brackets[1], _change(line.piece.section), line)
    above = next((name for text in reversed(line.piece.context) if (name := names.mentioned(text))), None)
    if above and is_identifier(_NOTE.sub("", line.text)):
        return _calls(above, line.text, "calls", line)
    return None


def _of_row(line: Line, names: Names) -> Understood:
    text = arrows(line.text)
    library = line.cell("library", "package", "module")
    versions = library or _VERSIONS.search(text) or line.cell("version", "old", "new")
    if versions and not all(end and names.mentioned(end) for end in _ends(line)):
        return _version_change(line, text, names)
    caller, called = _ends(line)
    if not caller or not called or NOTHING.match(called):
        return Understood("no dependency") if caller else not_understood("a dependency", line)
    change = _change(line.cell("change", "status", "kind", "type") or "")
    return _calls(caller, called, change, line) or not_understood("a dependency", line)


def _ends(line: Line) -> tuple[str | None, str | None]:
    """Return who calls and who is called: by the columns' names, else the first two cells."""
    cells = [cell for cell in line.piece.cells.values() if cell]
    caller = line.cell("caller", "consumer", "from", "source", "service", "component")
    called = line.cell(
        "callee",
        "calls",
        "called",
        "provider",
        "to",
        "target",
        "on",
        "dependency",
        "dependencies",
        "upstream",
    )
    caller = caller or next((cell for cell in cells if cell != called), None)
    return caller, called or next((cell for cell in cells if cell != caller), None)


def _calls(service: str, called: str, change: Change, line: Line) -> Understood | None:
    found = tuple(_each(service.strip(), called, change, line.source))
    if found or NOTHING.match(called.strip()):
        return Understood("dependency", found)
    return None


def _each(service: str, called: str, change: Change, source: str) -> Iterator[Dependency]:
    for name in _APART.split(_NOTE.sub("", called)):
        plain = name.strip(" .").removeprefix("the ")
        if _CLAUSE.match(plain):
            return
        if plain and len(plain.split()) <= 3 and len(plain) <= _LONGEST and not NOTHING.match(plain):
            yield Dependency(service=service, on=plain, change=change, source=source)


def _change(words: str) -> Change:
    plain = words.lower()
    if re.search(r"no longer|\bnot\b|remov|dropp|deleted|gone", plain):
        return "removed"
    return "added" if re.search(r"\bnow\b|newly|\bnew\b|added", plain) else "calls"


def _version_change(line: Line, text: str, names: Names) -> Understood:
    service = names.mentioned(text)
    if service and re.match(rf"^(?:the )?{re.escape(service)}\b", text, re.I) and not _LIBRARY.search(text):
        return Understood("version of a service")
    change = LibraryChange(text=line.text, service=line.service(names), source=line.source)
    return Understood(_LIBRARY_CHANGE, (change,))


def _speaks_of_a_library(text: str) -> bool:
    return any(pattern.search(text) for pattern in (_LIBRARY, _VERSIONS, _BEGINS))
