"""Grafana's HTTP API: folders, dashboards, annotations; what it refuses is said in words that help."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from release_watch.dashboards.models import Dashboard
from release_watch.errors import BackendError
from release_watch.telemetry.answers import shortened, understood
from release_watch.transport import Transport

BACKEND = "Grafana"
_MOST_FOLDERS = 1000
_LONGEST = 80
"""Characters of a name that are shown."""
_NOBODY, _NEVER = "Anonymous", "0001-"
"""What Grafana says of a user, and how a time begins, that it does not know."""
_HELP = {
    400: "it does not take this content; what is provisioned from files can only be changed there",
    401: "the token of connection grafana_default is missing, wrong or expired; add that of a service "
    "account as the password",
    403: "the token may not do this; give its service account the role Editor, or permission to edit the "
    "folder",
    404: "there is nothing under this address; check the address of grafana_default, also a path in it",
    409: "somebody else made this in the meantime; run this again",
    412: "somebody else has changed it in the meantime, or another dashboard has its title or uid; rename or "
    "remove the other one, then run this again",
}


class Shown(NamedTuple):
    """A dashboard as Grafana shows it; who saved it last and when, in words, empty where it does not say."""

    model: dict[str, Any]
    folder: str
    saved: str = ""


class Grafana:
    """One Grafana. Every method raises ``BackendError`` if it does not answer, or refuses with the reason."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    @property
    def base_url(self) -> str:
        """Its address without credentials."""
        return self.transport.base_url

    def folder(self, title: str) -> str:
        """Return the uid of the folder of this title, which is made if there is none."""
        own = f"rw-{sha256(title.encode()).hexdigest()[:12]}"
        if self._there(f"/api/folders/{own}"):
            return own
        listed = self._ask("GET", "/api/folders", params={"limit": _MOST_FOLDERS})
        for uid, known in understood(BACKEND, "folders", lambda: [(f["uid"], f["title"]) for f in listed]):
            if known == title:
                return str(uid)
        try:
            self._ask("POST", "/api/folders", {"uid": own, "title": title})
        except BackendError as error:
            # Two runs may make the same folder at once: the later one finds it.
            if error.status not in (409, 412) or not self._there(f"/api/folders/{own}"):
                raise
        return own

    def upload(self, dashboard: Dashboard, folder: str, message: str) -> str:
        """Put a dashboard into a folder in place of what has its uid, and return its address."""
        content = {
            # Its id is Grafana's own: with that of another Grafana, another dashboard would be replaced.
            "dashboard": {**dashboard.json_model, "id": None},
            "folderUid": folder,
            "message": message,
            "overwrite": True,
        }
        answer = self._ask("POST", "/api/dashboards/db", content)
        path = answer.get("url") if isinstance(answer, dict) else None
        return f"{self.base_url}{_below(self.base_url, str(path or dashboard.path))}"

    def shown(self, uid: str) -> Shown:
        """Return the dashboard of a uid as Grafana shows it."""
        answer = self._ask("GET", f"/api/dashboards/uid/{uid}")
        return understood(BACKEND, "a dashboard", lambda: _shown(answer["dashboard"], answer["meta"]))

    def annotate(self, at: datetime, tags: Sequence[str], text: str) -> None:
        """Mark a moment, once however often this is called with the same tags."""
        asked = {"tags": list(tags), "limit": 1, "type": "annotation"}
        if self._ask("GET", "/api/annotations", params=asked):
            return
        content = {"time": int(at.timestamp() * 1000), "tags": list(tags), "text": text}
        self._ask("POST", "/api/annotations", content)

    def _there(self, path: str) -> bool:
        answer = self.transport.request("GET", path)
        if answer.status == 404:
            return False
        if answer.status >= 400:
            raise _refused("GET", path, answer.status, answer.body)
        return True

    def _ask(
        self, method: str, path: str, content: Any = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        # Uploading the same dashboard twice leaves one, so the transport may repeat it.
        once = json.dumps(content, sort_keys=True)
        headers = {"Idempotency-Key": sha256(f"{path}{once}".encode()).hexdigest()} if content else None
        answer = self.transport.request(method, path, params=params, json=content, headers=headers)
        if answer.status >= 400:
            raise _refused(method, path, answer.status, answer.body)
        return answer.body


def _shown(model: Mapping[str, Any], meta: Mapping[str, Any]) -> Shown:
    by, at = (str(meta.get(name) or "")[:_LONGEST] for name in ("updatedBy", "updated"))
    words = [f"by {by}"] if by not in ("", _NOBODY) else []
    words += [f"at {at}"] if at and not at.startswith(_NEVER) else []
    words += ["to the file that Grafana provisions it from"] if words and meta.get("provisioned") else []
    return Shown(dict(model), str(meta.get("folderUid") or ""), " ".join(words))


def _refused(method: str, path: str, status: int, body: Any) -> BackendError:
    words = f"{method} {path} answered {status}: {shortened(body)}"
    if isinstance(body, dict) and body.get("status"):
        words += f" ({str(body['status'])[:60]})"
    if status in _HELP:
        words += f". That means: {_HELP[status]}"
    return BackendError(BACKEND, words, status=status)


def _below(base_url: str, path: str) -> str:
    """Return ``path`` without the sub-path that Grafana is served under, which the address holds already."""
    prefix = "/" + base_url.partition("://")[2].partition("/")[2].strip("/")
    return path.removeprefix(prefix) if prefix != "/" and path.startswith(f"{prefix}/") else path
