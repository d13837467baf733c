"""E-mail: Alertmanager sends it by SMTP, the receipt is the mail that arrived in the mailbox.

There is no acknowledgement by mail: anybody can write a sender's name. It stays with the question in Airflow.
"""

from __future__ import annotations

import hashlib
from email.message import EmailMessage
from typing import TYPE_CHECKING

from release_watch.drills.receipts import Acknowledgement, Page, Receipt, Status
from release_watch.drills.receivers.asking import names
from release_watch.drills.receivers.mailbox import Mail, Mailbox
from release_watch.drills.receivers.times import CLOCKS_DIFFER, fired
from release_watch.identifiers import identifier

if TYPE_CHECKING:
    from release_watch.catalog.policies import ReceiverKind

STATUS_HEADER = "X-Alertmanager-Status"
"""What ``email_configs.headers`` may set to ``{{ .Status }}`` where the subject does not tell."""


class MailReceiver:
    """A receiver with ``email_configs``."""

    kind: ReceiverKind = "mail"

    def __init__(self, name: str, mailbox: Mailbox) -> None:
        self.name = name
        self._mailbox = mailbox

    def receipt(self, drill_id: str, status: Status) -> Receipt | None:
        """Return the first mail that names this drill and has this status.

        A mail is of a resolved alert if it says so (``[RESOLVED]`` in its subject, or the header
        ``X-Alertmanager-Status``), else of a firing one.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
            BackendError: if the mailbox cannot be read; ReceiverRefusedError if it refuses the login.
        """
        since = fired(identifier(drill_id, "drill_id")) - CLOCKS_DIFFER
        found = [
            mail
            for mail in self._mailbox.mails(drill_id, since)
            if mail.at >= since and _status(mail.content) == status and _tells_of(mail, drill_id)
        ]
        first = min(found, key=lambda mail: mail.at, default=None)
        return None if first is None else self._receipt(first, drill_id, status)

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        """Return nothing: a mail proves no sender."""
        identifier(drill_id, "drill_id")
        return None

    def pages(self, drill_id: str) -> tuple[Page, ...]:
        """Return nothing: who reads a mailbox, it does not tell."""
        identifier(drill_id, "drill_id")
        return ()

    def _receipt(self, mail: Mail, drill_id: str, status: Status) -> Receipt:
        message_id = str(mail.content["Message-ID"] or "").strip()
        return Receipt(
            drill_id=drill_id,
            status=status,
            receiver=self.name,
            at=mail.at,
            fingerprint=message_id[:200],
            sha256=hashlib.sha256(mail.raw).hexdigest(),
            uri=mail.place,
        )


def _status(content: EmailMessage) -> Status:
    told = str(content[STATUS_HEADER] or "").strip().lower()
    resolved = told == "resolved" or (not told and "[RESOLVED" in str(content["Subject"] or "").upper())
    return "resolved" if resolved else "firing"


def _tells_of(mail: Mail, drill_id: str) -> bool:
    if any(names(value, drill_id) for value in mail.content.values()):
        return True
    return any(names(text, drill_id) for text in _texts(mail.content))


def _texts(content: EmailMessage) -> list[str]:
    texts = []
    for part in content.walk():
        if part.get_content_maintype() == "text":
            try:
                texts.append(str(part.get_content()))
            except (LookupError, ValueError):
                continue  # in a charset nobody knows: what cannot be read proves nothing
    return texts
