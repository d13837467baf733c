"""Files that go with a ticket or a notice, such as the plot of a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from release_watch.transport import Answer, Transport


class Attachment(NamedTuple):
    """A file: its name for people, its media type, its content, and where it lies."""

    name: str
    media_type: str
    content: bytes
    uri: str = ""


@runtime_checkable
class Uploads(Protocol):
    """What a transport needs to send files; one that has it not sends JSON only."""

    def upload(
        self,
        path: str,
        part: str,
        attachment: Attachment,
        *,
        fields: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> Answer:
        """POST ``attachment`` as the ``part`` of a multipart form beside ``fields``; never repeated."""
        ...


def uploads_of(transport: Transport) -> Uploads | None:
    """Return the transport as one that can send files, or None if it cannot."""
    return transport if isinstance(transport, Uploads) else None
