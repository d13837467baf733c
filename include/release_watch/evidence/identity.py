"""Whether a document is of this release, and not older than its deployment."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from release_watch.catalog.policies import EvidencePolicy
from release_watch.clock import format_duration, rfc3339
from release_watch.evidence.inert import visible
from release_watch.evidence.markdown_documents import Field, MarkdownDocument
from release_watch.evidence.moments import Moment, moments
from release_watch.identifiers import is_identifier
from release_watch.release import Release

SLACK = timedelta(minutes=1)
"""People write times to the minute."""
CLOCK_ERROR = timedelta(minutes=5)
_KEYS = ("deployment_id", "release_id", "version", "environment")
_FIELDS = {
    "deployment_id": ("deployment", "deployment id"),
    "release_id": ("release", "release id"),
    "version": ("version",),
    "environment": ("environment", "env"),
}
_SHORT_ENVIRONMENTS = {"prod": "production", "stage": "staging", "dev": "development"}
_WRITTEN = (
    "generated at",
    "generated",
    "written at",
    "written",
    "last updated",
    "updated",
    "date",
    "time",
    "as of",
)


class Identity:
    """What a document must say of itself to count as evidence of ``release`` at the moment ``at``."""

    def __init__(self, release: Release, policy: EvidencePolicy, at: datetime) -> None:
        self._release = release
        self._policy = policy
        self._at = at

    def of_content(self, content: dict[str, Any], name: str) -> list[str]:
        """Return what the fields of a JSON or YAML document say of another release."""
        if content.get("release_id") is None and isinstance(content.get("release"), str):
            content = {**content, "release_id": content["release"]}
        return [
            self._other(name, key, content[key])
            for key in _KEYS
            if content.get(key) is not None and not self._is_ours(key, str(content[key]))
        ]

    def of_document(self, document: MarkdownDocument, text: str) -> list[str]:
        """Return what a Markdown document says of another release, or that it names ours nowhere."""
        wrong = [
            self._other(document.file, key, field.value)
            for key, names in _FIELDS.items()
            for field in document.values(*names)
            if self._claims_another(key, field)
        ]
        if not wrong and not any(
            _names(text, i) for i in (self._release.release_id, self._release.deployment_id)
        ):
            remedy = f"name the release {self._release.release_id} in it"
            wrong.append(f"{document.file}: release: not named anywhere: {remedy}")
        return wrong

    def named_in(self, content: dict[str, Any]) -> bool:
        """Return whether a JSON or YAML document says which release or deployment it is of."""
        return any(content.get(key) is not None for key in ("release_id", "release", "deployment_id"))

    def age_of_document(self, document: MarkdownDocument, text: str) -> tuple[list[str], list[str]]:
        """Return why a Markdown document is too old or too new, and whether its age is not known."""
        said = [moment for field in document.values(*_WRITTEN) for moment in moments(field.value)]
        named = [m for m in said or moments(text) if m.earliest <= self._at + CLOCK_ERROR]
        if not named:
            if said:
                return self.age(said[0], document.file, SLACK), []
            return [], [f"{document.file}:1: no time found: its age is not known"]
        return self.age(max(named, key=lambda moment: moment.latest), document.file, SLACK), []

    def age(self, written: Moment, name: str, slack: timedelta) -> list[str]:
        """Return why a document written at this moment does not count."""
        deployed_at, found = self._release.deployed_at, f"{name}: time: {rfc3339(written.earliest)}"
        if written.latest < deployed_at - slack:
            return [f"{found}: older than the deployment at {rfc3339(deployed_at)}: write it anew"]
        if self._at - written.latest > self._policy.max_age:
            age = format_duration(self._policy.max_age)
            return [f"{found}: older than evidence.max_age {age}: validate the deployment again"]
        if written.earliest > self._at + CLOCK_ERROR:
            return [f"{found}: lies in the future: check the clock of the machine that wrote it"]
        return []

    def _is_ours(self, key: str, value: str) -> bool:
        expected = str(getattr(self._release, key)).casefold()
        given = value.split(" ")[0].casefold().rstrip(",;")
        if key == "version":
            given = given.removeprefix("v") if given != expected else given
            expected = expected.removeprefix("v") if given != expected else expected
        if key == "environment":
            given = _SHORT_ENVIRONMENTS.get(given, given)
        return given == expected

    def _claims_another(self, key: str, field: Field) -> bool:
        """Return whether a field names another release; words that are no identifier claim nothing."""
        version = self._release.version.removeprefix("v")
        ours = (self._release.release_id, self._release.deployment_id, version, f"v{version}")
        if self._is_ours(key, field.value):
            return False
        if key in ("deployment_id", "release_id") and any(_names(field.value, one) for one in ours):
            return False
        word = field.value.split(" ")[0].rstrip(",;")
        certain = (
            key == "environment" or field.name.casefold().endswith("id") or any(c.isdigit() for c in word)
        )
        return certain and is_identifier(word)

    def _other(self, name: str, key: str, value: object) -> str:
        expected = getattr(self._release, key)
        return f"{name}: {key}: {visible(value, 80)!r}: belongs to another release; expected {expected!r}"


def _names(text: str, identifier: str) -> bool:
    """Return whether ``text`` names ``identifier`` itself, not a longer one that begins or ends with it."""
    return re.search(rf"(?<![\w.-]){re.escape(identifier)}(?![\w-]|\.\w)", text) is not None
