"""The ruler API of Mimir and Cortex: a namespace per rule set, one request per group.

API: Grafana Mimir HTTP API, section Ruler. A group is stored whole or refused; a namespace is not one
transaction. Groups are therefore set first and removed afterwards, so that nothing is unwatched in between.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from release_watch.errors import BackendError
from release_watch.identifiers import identifier
from release_watch.slo.ownership import Ownership, OwnershipError
from release_watch.slo.rules_directory import PREFIX, lock_file
from release_watch.slo.targets.settings import RulerSettings
from release_watch.slo.targets.target import Kind, RuleServer, Unfinished
from release_watch.telemetry.answers import shortened
from release_watch.transport import Answer, Transport

BACKEND = "ruler"
OWNERS = "release-watch"
"""The namespace that holds the record of who owns what; a rule set's own namespace is longer."""

_LAST_OF_BASIC_PLANE = 0xFFFF
_REMEDIES = {
    401: "name the tenant in the connection's extra: headers: {X-Scope-OrgID: ...}",
    404: "does the connection's address end in /prometheus, and does the ruler run with -ruler.enable-api?",
    405: "does the connection's address end in /prometheus, and does the ruler run with -ruler.enable-api?",
}


class RulerTarget:
    """Namespaces of a ruler; implements ``RuleTarget``."""

    kind: Kind = "ruler"

    def __init__(self, settings: RulerSettings, server: RuleServer) -> None:
        self.server = server
        self.patience = timedelta(seconds=settings.within_seconds)
        self._path = settings.path

    def place(self, name: str) -> str:
        """Return the namespace and the ruler it is in."""
        return f"namespace {_namespace(name)} of {self._transport.base_url}"

    def listed_as(self, name: str) -> str | None:
        """Return the namespace, which the ruler gives as the file."""
        return _namespace(name)

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the rule sets there are that begin with ``prefix``, sorted."""
        names = (one.removeprefix(PREFIX) for one in self._groups("") if one.startswith(PREFIX))
        return sorted(name for name in names if name.startswith(prefix))

    def read(self, name: str) -> str | None:
        """Return a namespace as a rule file; None if it has no groups."""
        namespace = _namespace(name)
        groups = self._groups(f"/{quote(namespace, safe='')}").get(namespace)
        if not groups:
            return None
        return str(yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000, allow_unicode=True))

    def put(self, contents: Mapping[str, str | None]) -> None:
        """Set the groups of each rule set, and then remove what is not in it any more."""
        surplus: list[str] = []
        for name, text in contents.items():
            namespace = _namespace(name)
            groups = [] if text is None else yaml.safe_load(text)["groups"]
            kept = {group["name"] for group in groups}
            there = self._groups(f"/{quote(namespace, safe='')}").get(namespace, [])
            for group in groups:
                if group not in there:
                    self._set(namespace, group)
            surplus += [_path(namespace, group["name"]) for group in there if group["name"] not in kept]
        for path in surplus:
            self._accepted(self._transport.request("DELETE", f"{self._path}{path}"), gone_is_fine=True)

    def load(self) -> None:
        """Do nothing: the ruler takes over what was stored by itself, within its poll interval."""

    def locked(self) -> AbstractContextManager[None]:
        """Keep writers of this machine out; the ruler has no lock for those of others."""
        server = sha256(f"{self._transport.base_url}{self._path}".encode()).hexdigest()[:16]
        return lock_file(Path(tempfile.gettempdir()) / f"release-watch-{os.getuid()}-{server}.lock")

    def ownership(self) -> Ownership:
        """Return what the ruler's namespace ``release-watch`` says."""
        groups = self._groups(f"/{OWNERS}").get(OWNERS)
        if not groups:
            return Ownership()
        place = f"namespace {OWNERS} of {self._transport.base_url}"
        try:
            return Ownership.read(groups[0]["rules"][0]["annotations"]["ownership"], place)
        except (KeyError, IndexError, TypeError) as error:
            raise OwnershipError(place, f"it has no annotation ownership ({error!r})") from error

    def own(self, ownership: Ownership) -> None:
        """Keep the record in an alert that never fires: rulers store nothing but rules."""
        rule = {
            "alert": "ReleaseWatchRuleOwners",
            "expr": "vector(0) > 1",
            "annotations": {"ownership": ownership.model_dump_json()},
        }
        self._set(OWNERS, {"name": "owners", "interval": "5m", "rules": [rule]})

    def unfinished(self) -> Unfinished | None:
        """Return None: every group is either the old or the new one, and activating again sets them all."""
        return None

    def begin(self, former: Unfinished) -> None:
        """Note nothing; see :meth:`unfinished`."""

    def finish(self) -> None:
        """Forget nothing; see :meth:`unfinished`."""

    def broken(self, names: Collection[str]) -> list[str]:  # noqa: ARG002 - one signature for all targets
        """Return nothing: the ruler refuses a broken group by itself, and takes all others."""
        return []

    @property
    def _transport(self) -> Transport:
        return self.server.transport

    def _set(self, namespace: str, group: Mapping[str, Any]) -> None:
        _check_characters(group)
        # JSON is YAML, so the transport's JSON body needs nothing but the right name. Setting a group again
        # changes nothing: the key lets the transport repeat a request that was cut off.
        body = self._transport.request(
            "POST",
            f"{self._path}/{quote(namespace, safe='')}",
            json=dict(group),
            headers={
                "Content-Type": "application/yaml",
                "Idempotency-Key": f"{namespace}/{sha256(repr(group).encode()).hexdigest()[:16]}",
            },
        )
        self._accepted(body, f" group {group['name']}")

    def _groups(self, path: str) -> dict[str, list[dict[str, Any]]]:
        """Return the groups below ``path`` by namespace; the API answers 404 where there are none."""
        answer = self._transport.request("GET", f"{self._path}{path}")
        if answer.status == 404 and "no rule groups found" in str(answer.body):
            return {}
        self._accepted(answer)
        try:
            content = answer.body if isinstance(answer.body, dict) else yaml.safe_load(str(answer.body))
        except yaml.YAMLError as error:
            raise BackendError(BACKEND, f"{self._transport.base_url}{self._path} gave no YAML") from error
        if not isinstance(content, dict) or not all(isinstance(one, list) for one in content.values()):
            raise BackendError(BACKEND, f"{self._transport.base_url}{self._path} gave no rule groups")
        return content

    def _accepted(self, answer: Answer, what: str = "", *, gone_is_fine: bool = False) -> None:
        if answer.status < 300 or (gone_is_fine and answer.status == 404):
            return
        remedy = f"; {_REMEDIES[answer.status]}" if answer.status in _REMEDIES else ""
        words = f"{self._transport.base_url}{self._path} answered {answer.status} to{what or ' a request'}"
        raise BackendError(BACKEND, f"{words}: {shortened(answer.body)}{remedy}", status=answer.status)


def _namespace(name: str) -> str:
    return f"{PREFIX}{identifier(name, 'rule set')}"


def _path(namespace: str, group: str) -> str:
    return f"/{quote(namespace, safe='')}/{quote(group, safe='')}"


def _check_characters(group: Mapping[str, Any]) -> None:
    """Refuse what JSON writes as a pair of escapes, which YAML readers do not take."""
    found = next((c for c in str(group) if ord(c) > _LAST_OF_BASIC_PLANE), None)
    if found:
        raise BackendError(
            BACKEND,
            f"group {group['name']} holds the character {found!r}, which cannot be sent to a ruler; remove "
            "it from the SLO, service or annotation it comes from",
        )
