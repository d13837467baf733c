"""The evidence folder of a deployment: complete, of this release, not older than it, and understood."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from release_watch.artifacts.store import PathLike
from release_watch.catalog.policies import EvidencePolicy, Policies
from release_watch.clock import format_duration, now, rfc3339
from release_watch.errors import InvalidInputError
from release_watch.evidence import extraction
from release_watch.evidence.files import check_whole, parse_json_object, parse_yaml_object, read_text
from release_watch.evidence.markdown_documents import MarkdownDocument, parse_markdown
from release_watch.evidence.models import Evidence, ValidationDocument
from release_watch.release import Release

VALIDATION, HEALTH_LOG, REPORT = REQUIRED = (
    "post-deployment-validation.json",
    "deployment-health-log.md",
    "DEPLOYMENT-REPORT.md",
)
OPTIONAL: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "feature-flags.json": parse_json_object,
    "observability-configuration.json": parse_json_object,
    "observability-configuration.yaml": parse_yaml_object,
    "performance-baselines.json": parse_json_object,
    "quality-audit-findings.json": parse_json_object,
}
_IDENTITY = ("deployment_id", "release_id", "version", "environment")
_SLACK = timedelta(minutes=1)  # people write times to the minute
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d| ?UTC)?")


def missing_documents(folder: PathLike) -> list[str]:
    """Return the names of the required documents that are not in the folder yet."""
    return [name for name in REQUIRED if not (folder / name).exists()]


def read_evidence(
    folder: PathLike, release: Release, policies: Policies, *, at: datetime | None = None
) -> Evidence:
    """Return what the documents in ``folder`` say about ``release``, as of ``at`` (now).

    An optional document that cannot be used is left out and listed in ``problems``.

    Raises:
        InvalidInputError: with every required document that is missing, too large, half-written, not of
            its kind, of another release, older than the deployment or older than the policy allows.
    """
    reader = _Reader(folder, release, policies.evidence, at or now())
    return reader.evidence()


class _Reader:
    """One reading of one folder: collects what is wrong, so that all of it is said at once."""

    def __init__(self, folder: PathLike, release: Release, policy: EvidencePolicy, at: datetime) -> None:
        self._folder = folder
        self._release = release
        self._policy = policy
        self._at = at
        self._refused: list[str] = []
        self._problems: list[str] = []
        self._sha256: dict[str, str] = {}

    def evidence(self) -> Evidence:
        """Return the evidence, or raise with everything that is wrong with the required documents."""
        validation = self._required(VALIDATION, self._validation)
        health_log = self._required(HEALTH_LOG, self._markdown)
        report = self._required(REPORT, self._markdown)
        if self._refused or validation is None or health_log is None or report is None:
            raise InvalidInputError(self._refused)
        optional = self._optional()
        services = self._release.services
        new_endpoints, unclear = extraction.endpoints(validation, report, services)
        dependencies, unclear_too = extraction.dependencies(report)
        return Evidence(
            validation=validation,
            health_log=health_log,
            report=report,
            optional=optional,
            problems=(*self._problems, *unclear, *unclear_too),
            new_endpoints=new_endpoints,
            risks=extraction.risks(report, health_log, services),
            dependencies=dependencies,
            flags=extraction.flags(report, optional.get("feature-flags.json")),
            findings=extraction.findings(optional.get("quality-audit-findings.json")),
            sha256=self._sha256,
        )

    def _required(self, name: str, read: Callable[[str, str], Any]) -> Any:
        try:
            return read(self._text(name), name)
        except InvalidInputError as error:
            self._refused += error.problems
            return None

    def _text(self, name: str) -> str:
        text = read_text(self._folder, name, self._policy.max_bytes)
        self._sha256[name] = hashlib.sha256(text.encode()).hexdigest()
        return text

    def _validation(self, text: str, name: str) -> ValidationDocument:
        content = parse_json_object(text, name)
        self._check_identity(content, name)
        try:
            document = ValidationDocument.model_validate(content)
        except ValidationError as error:
            raise InvalidInputError([_field_problem(name, e) for e in error.errors()]) from error
        if document.release_id is None and document.deployment_id is None:
            raise InvalidInputError(
                [f"{name}: release_id: missing: name the release {self._release.release_id}"]
            )
        self._check_time(document.validated_at, name, timedelta(seconds=1))
        return document

    def _markdown(self, text: str, name: str) -> MarkdownDocument:
        check_whole(text, name)
        document = parse_markdown(text, name)
        named = {
            "deployment_id": document.field("deployment", "deployment id"),
            "release_id": document.field("release", "release id"),
            "environment": document.field("environment"),
        }
        self._check_identity({key: item.text for key, item in named.items() if item}, name)
        self._problems += [f"{source}: HTML is not read; write it as Markdown" for source in document.unread]
        if self._release.release_id not in text and self._release.deployment_id not in text:
            remedy = f"name the release {self._release.release_id} in it"
            raise InvalidInputError([f"{name}: release: not named anywhere: {remedy}"])
        times = _times(text)
        if times:
            self._check_time(max(times), name, _SLACK)
        else:
            self._problems.append(f"{name}:1: no time found: its age is not known")
        return document

    def _check_identity(self, content: dict[str, Any], name: str) -> None:
        wrong = [
            f"{name}: {key}: {str(content[key])[:80]!r}: belongs to another release; "
            f"expected {getattr(self._release, key)!r}"
            for key in _IDENTITY
            if content.get(key) is not None and str(content[key]).split(" ")[0] != getattr(self._release, key)
        ]
        if wrong:
            raise InvalidInputError(wrong)

    def _check_time(self, written_at: datetime, name: str, slack: timedelta) -> None:
        deployed_at = self._release.deployed_at
        if written_at < deployed_at - slack:
            found = f"{name}: time: {rfc3339(written_at)}"
            raise InvalidInputError(
                [f"{found}: older than the deployment at {rfc3339(deployed_at)}: write it anew"]
            )
        if self._at - written_at > self._policy.max_age:
            age = format_duration(self._policy.max_age)
            found = f"{name}: time: {rfc3339(written_at)}"
            raise InvalidInputError(
                [f"{found}: older than evidence.max_age {age}: validate the deployment again"]
            )

    def _optional(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, parse in OPTIONAL.items():
            if (self._folder / name).exists():
                self._take(found, name, parse)
        for service in self._release.services:
            name = f"runbooks/{service}.md"
            if (self._folder / "runbooks" / f"{service}.md").exists():
                self._take(found, name, lambda text, _: {"text": text})
        return found

    def _take(self, found: dict[str, Any], name: str, parse: Callable[[str, str], dict[str, Any]]) -> None:
        try:
            content = parse(self._text(name), name)
            self._check_identity(content, name)
            found[name] = content
        except InvalidInputError as error:
            self._sha256.pop(name, None)
            self._problems += [f"{problem} (left out)" for problem in error.problems]


def _times(text: str) -> list[datetime]:
    found = []
    for match in _TIME.findall(text):
        plain = match.replace(" UTC", "Z").replace("UTC", "Z")
        try:
            moment = datetime.fromisoformat(plain)
        except ValueError:
            continue
        found.append(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return found


def _field_problem(name: str, error: Any) -> str:
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{name}: {field}: missing: add it"
    return f"{name}: {field}: {str(error['input'])[:80]!r}: {error['msg'].removeprefix('Value error, ')}"
