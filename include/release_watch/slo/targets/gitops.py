"""Files in a working copy, from where Flux, Argo CD or a person brings them to Prometheus.

What is written here is a proposal: the rules are in force only when the live Prometheus shows them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

import yaml

from release_watch.errors import InvalidInputError
from release_watch.slo.rules_directory import PREFIX
from release_watch.slo.targets.directory import DirectoryTarget
from release_watch.slo.targets.settings import GitOpsSettings
from release_watch.slo.targets.target import Kind, RuleServer
from release_watch.telemetry.backends import Backends

API_VERSION = "monitoring.coreos.com/v1"
_LONGEST_NAME = 253
_DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class GitOpsTarget(DirectoryTarget):
    """Files in the folder of a working copy; implements ``RuleTarget``."""

    kind: Kind = "gitops"

    def __init__(self, settings: GitOpsSettings, server: RuleServer, backends: Backends) -> None:
        if not settings.directory.is_dir():
            raise InvalidInputError(
                [f"rules.directory: {settings.directory} is no folder; mount the working copy for the tasks"]
            )
        super().__init__(settings.directory, server, backends)
        self._settings = settings
        self.patience = timedelta(seconds=settings.within_seconds)

    def listed_as(self, name: str) -> str | None:  # noqa: ARG002 - one signature for all targets
        """Return None: whoever brings the file to Prometheus names it."""
        return None

    def read(self, name: str) -> str | None:
        """Return a rule set as a rule file, also where a manifest holds it."""
        text = self.directory.read(name)
        return text if text is None or self._settings.format == "plain" else rules_of(text)

    def put(self, contents: Mapping[str, str | None]) -> None:
        """Write each file or manifest whole, and then remove those that are None."""
        if self._settings.format == "manifest":
            contents = {
                name: None if text is None else manifest(name, text, self._settings)
                for name, text in contents.items()
            }
        self.directory.put(contents)

    def load(self) -> None:
        """Do nothing: Prometheus takes the rules over when somebody brings them."""

    def broken(self, names: Collection[str]) -> list[str]:  # noqa: ARG002 - one signature for all targets
        """Return nothing: other files in the working copy are not what Prometheus runs."""
        return []


def manifest(name: str, text: str, settings: GitOpsSettings) -> str:
    """Return the ``PrometheusRule`` of Prometheus' operator that holds the rule file ``text``."""
    metadata: dict[str, Any] = {"name": resource_name(name)}
    for key in ("namespace", "labels", "annotations"):
        if value := getattr(settings, key):
            metadata[key] = value
    content = {
        "apiVersion": API_VERSION,
        "kind": "PrometheusRule",
        "metadata": metadata,
        "spec": yaml.safe_load(text),
    }
    return str(yaml.safe_dump(content, sort_keys=False, width=10_000, allow_unicode=True))


def rules_of(text: str) -> str:
    """Return the rule file that a ``PrometheusRule`` holds.

    Raises:
        InvalidInputError: if it is none.
    """
    try:
        content = yaml.safe_load(text)
        if content["apiVersion"] != API_VERSION or content["kind"] != "PrometheusRule":
            raise InvalidInputError([f"manifest: is no PrometheusRule of {API_VERSION}; write it again"])
        spec = {"groups": content["spec"]["groups"]}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise InvalidInputError([f"manifest: cannot be read as a PrometheusRule: {error}"]) from error
    return str(yaml.safe_dump(spec, sort_keys=False, width=10_000, allow_unicode=True))


def resource_name(name: str) -> str:
    """Return a name that Kubernetes takes (RFC 1123 subdomain) and that no other rule set has."""
    full = f"{PREFIX}{name}"
    if len(full) <= _LONGEST_NAME and _DNS.fullmatch(full):
        return full
    letters = re.sub(r"[^a-z0-9]+", "-", full.lower()).strip("-")[: _LONGEST_NAME - 13].rstrip("-")
    return f"{letters}-{sha256(full.encode()).hexdigest()[:12]}"
