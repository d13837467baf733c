"""What is understood of the evidence; every extracted item says the line it came from."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Literal

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from release_watch.evidence.account import Account
from release_watch.evidence.markdown_documents import MarkdownDocument

PASSED_WORDS = frozenset({"passed", "pass", "success", "succeeded", "successful", "ok", "green", "validated"})
Severity = Literal["critical", "high", "medium", "low", "unknown"]


class _Lenient(BaseModel):
    """Upstream documents may say more than is read."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Extracted(BaseModel):
    """Something that a document says; ``source`` is its ``file:line``."""

    model_config = ConfigDict(frozen=True)

    source: str


class Endpoint(Extracted):
    """An endpoint that came with the release; ``method`` is empty where none is named."""

    service: str
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}".strip()


class Risk(Extracted):
    """Something that may go wrong; ``service`` where the words name one."""

    text: str
    service: str | None = None
    severity: Severity = "unknown"


class Dependency(Extracted):
    """``service`` calls ``on``, newly or as before, or does so no longer."""

    service: str
    on: str
    change: Literal["calls", "added", "removed"] = "calls"


class LibraryChange(Extracted):
    """A library that was upgraded, added or removed."""

    text: str
    service: str | None = None


class Flag(Extracted):
    """A feature flag and whether it is active; None where the words do not say so.

    ``planned_off`` if the rollout plan keeps it inactive for now.
    """

    name: str
    active: bool | None
    planned_off: bool = False


class Outcome(Extracted):
    """How a document says that the deployment as a whole went."""

    text: str
    passed: bool


class AuditFinding(Extracted):
    """An open finding of the quality audit."""

    severity: str
    service: str | None
    title: str
    detail: str


class Baseline(Extracted):
    """How a metric of a service was before the release, in base units: seconds, ratio, bytes, 1/s."""

    service: str
    metric: str
    value: float
    unit: str


class ObservedService(Extracted):
    """The signals that the observability configuration describes of a service."""

    service: str
    signals: tuple[str, ...]


class Runbook(Extracted):
    """An operational runbook that came with the deployment, with its headings."""

    service: str
    sections: tuple[str, ...]


class ValidatedService(_Lenient):
    """The outcome of the validation of one service."""

    service: str = Field(validation_alias=AliasChoices("service", "name"))
    status: str = Field(validation_alias=AliasChoices("status", "result", "verdict"))
    version: str | None = None

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.status.strip().lower() in PASSED_WORDS


class ValidationDocument(_Lenient):
    """``post-deployment-validation.json``."""

    deployment_id: str | None = None
    release_id: str | None = Field(None, validation_alias=AliasChoices("release_id", "release"))
    version: str | None = None
    environment: str | None = None
    status: str = Field(validation_alias=AliasChoices("status", "result", "verdict", "overall_status"))
    validated_at: AwareDatetime = Field(
        validation_alias=AliasChoices("validated_at", "completed_at", "generated_at", "timestamp")
    )
    services: tuple[ValidatedService, ...] = ()

    @field_validator("services", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """Accept a mapping from service to outcome as well as a list."""
        if not isinstance(value, dict):
            return value
        return [
            {"service": name, **entry} if isinstance(entry, dict) else {"service": name, "status": str(entry)}
            for name, entry in value.items()
        ]

    @property
    def passed(self) -> bool:
        """Whether the deployment as a whole and every service in it passed."""
        return self.status.strip().lower() in PASSED_WORDS and all(s.passed for s in self.services)


class Evidence(BaseModel):
    """The deployment documents, what was extracted from them, and what was not understood.

    Items may name services that are not of the release; ``problems`` are lines that should have been
    understood and were not, ``accounts`` say of every part of every document what was made of it.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    validation: ValidationDocument
    health_log: MarkdownDocument
    report: MarkdownDocument
    problems: tuple[str, ...]
    accounts: tuple[Account, ...]
    new_endpoints: tuple[Endpoint, ...]
    risks: tuple[Risk, ...]
    dependencies: tuple[Dependency, ...]
    libraries: tuple[LibraryChange, ...]
    flags: tuple[Flag, ...]
    outcomes: tuple[Outcome, ...]
    findings: tuple[AuditFinding, ...]
    baselines: tuple[Baseline, ...]
    observed: tuple[ObservedService, ...]
    runbooks: tuple[Runbook, ...]
    sha256: dict[str, str]

    def endpoints_by_service(self) -> dict[str, tuple[str, ...]]:
        """Return the new endpoints as ``METHOD /route`` by service, as the audit takes them."""
        found: dict[str, list[str]] = defaultdict(list)
        for endpoint in self.new_endpoints:
            found[endpoint.service].append(str(endpoint))
        return {service: tuple(names) for service, names in found.items()}


class Prerequisite(BaseModel):
    """Something that must be there before monitoring starts, and what to do where it is not."""

    model_config = ConfigDict(frozen=True)

    name: str
    status: Literal["met", "remediated", "missing"]
    detail: str
    remedy: str | None = None
    notify: tuple[str, ...] = ()
