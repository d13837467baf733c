"""A transport over a real connection, as plain as can be, for tests of trackers and orchestrators."""

from __future__ import annotations

import base64
import json as json_codec
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from release_watch.errors import BackendError
from release_watch.response.attachments import Attachment
from release_watch.transport import Answer


class JsonOnly:
    """Sends JSON and nothing else. Repeats what has an idempotency key, as the real transport does."""

    def __init__(self, base_url: str, login: str = "", password: str = "") -> None:
        self.base_url = base_url
        self._login = base64.b64encode(f"{login}:{password}".encode()).decode() if login else ""

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        data = None if json is None else json_codec.dumps(json).encode()
        given = {**({"Content-Type": "application/json"} if data else {}), **(headers or {})}
        for _ in range(4 if method == "GET" or "Idempotency-Key" in given else 1):
            answer = self.send(method, f"{path}?{urlencode(params)}" if params else path, data, given)
            if answer.status < 500:
                return answer
        raise BackendError("server", f"{method} {path}: answered {answer.status}")

    def send(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Answer:
        sent = {**headers, **({"Authorization": f"Basic {self._login}"} if self._login else {})}
        request = urllib.request.Request(self.base_url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return Answer(response.status, _parsed(response.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _parsed(error.read()))
        except OSError as error:
            raise BackendError("server", f"{method} {path}: {error}") from error


class Sending(JsonOnly):
    """Sends files, too."""

    def upload(
        self,
        path: str,
        part: str,
        attachment: Attachment,
        *,
        fields: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> Answer:
        content_type, body = multipart(part, attachment, fields)
        return self.send("POST", path, body, {**headers, "Content-Type": content_type})


def multipart(part: str, attachment: Attachment, fields: Mapping[str, str]) -> tuple[str, bytes]:
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; filename="{attachment.name}"\r\n'
    parts += [head.encode(), f"Content-Type: {attachment.media_type}\r\n\r\n".encode(), attachment.content]
    return f"multipart/form-data; boundary={boundary}", b"".join((*parts, f"\r\n--{boundary}--\r\n".encode()))


def _parsed(content: bytes) -> Any:
    try:
        return json_codec.loads(content)
    except ValueError:
        return content.decode()
