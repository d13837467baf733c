"""What is understood of the evidence; every extracted item says the line it came from."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, Literal

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from release_watch.evidence.markdown_documents import MarkdownDocument

PASSED_WORDS = frozenset({"passed", "pass", "success", "succeeded", "successful", "ok", "green", "validated"})
_ENDPOINT = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\s+(/[^\s`,;)]*)", re.IGNORECASE)


class _Lenient(BaseModel):
    """Upstream documents may say more than is read."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class _Extracted(BaseModel):
    model_config = ConfigDict(frozen=True)

    source: str


class Endpoint(_Extracted):
    """An endpoint that came with the release."""

    service: str
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Risk(_Extracted):
    """Something that may go wrong; ``service`` where the words name one."""

    text: str
    service: str | None = None


class Dependency(_Extracted):
    """``service`` calls ``on``."""

    service: str
    on: str


class Flag(_Extracted):
    """A feature flag and whether it is active; None where the words do not say so."""

    name: str
    active: bool | None


class AuditFinding(_Extracted):
    """An open finding of the quality audit."""

    severity: str
    service: str | None
    title: str
    detail: str


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
    new_endpoints: tuple[dict[str, Any] | str, ...] = Field(
        (), validation_alias=AliasChoices("new_endpoints", "endpoints_added", "added_endpoints")
    )

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
    """The deployment documents, what was extracted from them, and what was not understood."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    validation: ValidationDocument
    health_log: MarkdownDocument
    report: MarkdownDocument
    optional: dict[str, Any]
    problems: tuple[str, ...]
    new_endpoints: tuple[Endpoint, ...]
    risks: tuple[Risk, ...]
    dependencies: tuple[Dependency, ...]
    flags: tuple[Flag, ...]
    findings: tuple[AuditFinding, ...]
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


def find_endpoint(text: str) -> tuple[str, str] | None:
    """Return the method and route that are named in ``text``."""
    found = _ENDPOINT.search(text)
    return (found[1].upper(), found[2]) if found else None
