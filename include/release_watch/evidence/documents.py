"""The evidence folder of a deployment: complete, of this release, not older than it, and understood."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from release_watch.artifacts.store import PathLike
from release_watch.catalog.policies import Policies
from release_watch.clock import now
from release_watch.errors import InvalidInputError
from release_watch.evidence import audit_findings, baselines, flag_status, observability, validation
from release_watch.evidence.account import Account, Passage
from release_watch.evidence.entries import EntryReading
from release_watch.evidence.files import read_text
from release_watch.evidence.identity import Identity
from release_watch.evidence.lines import Reading
from release_watch.evidence.markdown_documents import MarkdownDocument, parse_markdown
from release_watch.evidence.models import (
    AuditFinding,
    Baseline,
    Dependency,
    Endpoint,
    Evidence,
    Extracted,
    Flag,
    LibraryChange,
    ObservedService,
    Outcome,
    Risk,
    Runbook,
    ValidationDocument,
)
from release_watch.evidence.moments import Moment, moments
from release_watch.evidence.recognition import Names
from release_watch.evidence.structured import Structured, parse_json, parse_yaml
from release_watch.release import Release

VALIDATION, HEALTH_LOG, REPORT = REQUIRED = (
    validation.FILE,
    "deployment-health-log.md",
    "DEPLOYMENT-REPORT.md",
)
MOST_ITEMS = 2_000
"""Of one kind of thing found in all documents together."""
ItemT = TypeVar("ItemT", bound=Extracted)
_ONE_SECOND = timedelta(seconds=1)


def missing_documents(folder: PathLike) -> list[str]:
    """Return the names of the required documents that are not in the folder yet, or still empty."""
    return [name for name in REQUIRED if not _has_content(folder / name)]


def _has_content(path: Any) -> bool:
    try:
        return int(path.stat().st_size) > 0
    except FileNotFoundError:
        return False


def read_evidence(
    folder: PathLike,
    release: Release,
    policies: Policies,
    *,
    at: datetime | None = None,
    known: Iterable[str] = (),
) -> Evidence:
    """Return what the documents in ``folder`` say about ``release``, as of ``at`` (now).

    ``known`` are the services of the catalogue: what the documents say of one that is not of the release
    is kept under its name. An optional document that cannot be used is left out and listed in
    ``problems``.

    Raises:
        InvalidInputError: with every required document that is missing, too large, half-written, not of
            its kind, of another release, older than the deployment or older than the policy allows.
    """
    others = tuple(name for name in known if name not in release.services)
    return _Folder(folder, release, policies, at or now(), Names(release.services, others)).evidence()


def described_services(
    folder: PathLike, release: Release, policies: Policies, *, at: datetime | None = None
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the services that the observability configuration in ``folder`` describes, and its problems."""
    reading = _Folder(folder, release, policies, at or now(), Names(release.services))
    return reading.described()


class _Folder:
    """One reading of one folder: collects what is wrong, so that all of it is said at once."""

    def __init__(
        self, folder: PathLike, release: Release, policies: Policies, at: datetime, names: Names
    ) -> None:
        self._folder = folder
        self._release = release
        self._max_bytes = policies.evidence.max_bytes
        self._names = names
        self._identity = Identity(release, policies.evidence, at)
        self._refused: list[str] = []
        self._problems: list[str] = []
        self._sha256: dict[str, str] = {}

    def evidence(self) -> Evidence:
        """Return the evidence, or raise with everything that is wrong with the required documents."""
        validated = self._required(VALIDATION, self._validation)
        health_log = self._required(HEALTH_LOG, self._markdown)
        report = self._required(REPORT, self._markdown)
        if self._refused or validated is None or health_log is None or report is None:
            raise InvalidInputError(self._refused)
        status, said = validated
        lines = [Reading(document, self._names) for document in (report, health_log)]
        entries = [said, *self._optional()]
        runbooks = self._runbooks()
        read = [*lines, *entries]
        self._problems += [problem for one in read for problem in one.problems]
        found = _each_once([e for one in (said, *lines) for e in one.found(Endpoint)])
        evidence = {
            "new_endpoints": self._bounded("new endpoints", found),
            "risks": self._bounded("risks", [e for one in (*lines, said) for e in one.found(Risk)]),
            "dependencies": self._bounded("calls", [e for one in lines for e in one.found(Dependency)]),
            "libraries": self._bounded("libraries", [e for one in lines for e in one.found(LibraryChange)]),
            "flags": self._bounded("feature flags", [e for one in read for e in one.found(Flag)]),
            "outcomes": self._bounded("outcomes", [e for one in lines for e in one.found(Outcome)]),
            "findings": self._bounded("findings", [e for one in entries for e in one.found(AuditFinding)]),
            "baselines": self._bounded("baselines", [e for one in entries for e in one.found(Baseline)]),
            "observed": self._bounded("services", [e for o in entries for e in o.found(ObservedService)]),
        }
        return Evidence(
            validation=status,
            health_log=health_log,
            report=report,
            accounts=(
                *(one.account for one in lines),
                *map(_account, entries),
                *map(_runbook_account, runbooks),
            ),
            runbooks=runbooks,
            sha256=self._sha256,
            problems=tuple(self._problems),
            **evidence,
        )

    def _bounded(self, what: str, found: Sequence[ItemT]) -> tuple[ItemT, ...]:
        """Return at most ``MOST_ITEMS`` of a kind, those of the release first; list how many more came."""
        if len(found) <= MOST_ITEMS:
            return tuple(found)
        ours_first = sorted(found, key=lambda one: getattr(one, "service", None) not in self._names.release)
        left_out = ours_first[MOST_ITEMS:]
        more = f"{len(left_out)} more {what} are left out, the first at {left_out[0].source}"
        self._problems.append(f"more than {MOST_ITEMS} {what}: {more}")
        return tuple(ours_first[:MOST_ITEMS])

    def _required(self, name: str, read: Callable[[str, str], Any]) -> Any:
        try:
            return read(self._text(name), name)
        except InvalidInputError as error:
            self._refused += error.problems
            return None

    def _text(self, name: str) -> str:
        text = read_text(self._folder, name, self._max_bytes)
        self._sha256[name] = hashlib.sha256(text.encode()).hexdigest()
        return text

    def _validation(self, text: str, name: str) -> tuple[ValidationDocument, EntryReading]:
        document = parse_json(text, name)
        wrong = self._identity.of_content(document.content, name)
        if not wrong and not self._identity.named_in(document.content):
            wrong = [f"{name}: release_id: missing: name the release {self._release.release_id} in it"]
        if wrong:
            raise InvalidInputError(wrong)
        status = validation.read_status(document)
        if wrong := self._identity.age(Moment(*[status.validated_at] * 2), name, _ONE_SECOND):
            raise InvalidInputError(wrong)
        return status, validation.read(document, self._names)

    def _markdown(self, text: str, name: str) -> MarkdownDocument:
        document = parse_markdown(text, name)
        too_old, unknown = self._identity.age_of_document(document, text)
        wrong = self._identity.of_document(document, text) or too_old
        if wrong:
            raise InvalidInputError(wrong)
        self._problems += unknown
        return document

    def described(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the services that are described, and what was not understood of their description."""
        read = self._observability()
        problems = (*self._problems, *(problem for one in read for problem in one.problems))
        return frozenset(o.service for one in read for o in one.found(ObservedService)), problems

    def _optional(self) -> list[EntryReading]:
        found = [
            self._entries(flag_status.FILE, parse_json, flag_status.read, of_its_time=True),
            self._entries(baselines.FILE, parse_json, baselines.read),
            self._entries(audit_findings.FILE, parse_json, audit_findings.read),
        ]
        return [*(one for one in found if one is not None), *self._observability()]

    def _observability(self) -> list[EntryReading]:
        services = self._release.services
        found = [
            self._entries(
                name,
                parse_json if name.endswith(".json") else parse_yaml,
                lambda document: observability.read(document, services),
            )
            for name in observability.FILES
        ]
        return [one for one in found if one is not None]

    def _entries(
        self,
        name: str,
        parse: Callable[[str, str], Structured],
        read: Callable[[Structured], EntryReading],
        *,
        of_its_time: bool = False,
    ) -> EntryReading | None:
        if not (self._folder / name).exists():
            return None
        try:
            document = parse(self._text(name), name)
            wrong = self._identity.of_content(document.content, name)
            if of_its_time:
                wrong += self._age(document)
            if wrong:
                raise InvalidInputError(wrong)
            return read(document)
        except InvalidInputError as error:
            self._leave_out(name, error)
            return None

    def _age(self, document: Structured) -> list[str]:
        said = (str(document.content.get(key, "")) for key in ("as_of", "generated_at", "timestamp"))
        written = [moment for text in said for moment in moments(text[:100])]
        return self._identity.age(written[0], document.file, _ONE_SECOND) if written else []

    def _runbooks(self) -> tuple[Runbook, ...]:
        found = (self._runbook(service) for service in self._release.services)
        return tuple(one for one in found if one is not None)

    def _runbook(self, service: str) -> Runbook | None:
        name = f"runbooks/{service}.md"
        if not (self._folder / "runbooks" / f"{service}.md").exists():
            return None
        try:
            document = parse_markdown(self._text(name), name)
        except InvalidInputError as error:
            self._leave_out(name, error)
            return None
        sections = tuple(dict.fromkeys(piece.context[0] for piece in document.pieces if piece.context))
        return Runbook(service=service, sections=sections, source=f"{name}:1")

    def _leave_out(self, name: str, error: InvalidInputError) -> None:
        self._sha256.pop(name, None)
        self._problems += [f"{problem} (left out)" for problem in error.problems]


_READ_FIELDS: dict[str, tuple[str, ...]] = {
    VALIDATION: validation.FIELDS,
    flag_status.FILE: flag_status.FIELDS,
    baselines.FILE: ("services", "baselines", "metrics"),
    audit_findings.FILE: audit_findings.FIELDS,
    **dict.fromkeys(observability.FILES, observability.FIELDS),
}


def _account(reading: EntryReading) -> Account:
    return reading.account(*_READ_FIELDS[reading.document.file])


def _runbook_account(runbook: Runbook) -> Account:
    file = runbook.source.removesuffix(":1")
    return Account(file, (Passage(1, 1, ", ".join(runbook.sections)[:300], "runbook"),))


def _each_once(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return every endpoint once; one without a method is left out where the same route has one."""
    found: dict[tuple[str, str, str], Endpoint] = {}
    for endpoint in endpoints:
        found.setdefault((endpoint.service, endpoint.method, endpoint.path), endpoint)
    with_method = {(service, path) for service, method, path in found if method}
    return tuple(e for (s, method, p), e in found.items() if method or (s, p) not in with_method)
