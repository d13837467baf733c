"""The mailbox that on-call's alerts arrive in: a Maildir folder, or IMAP. Reading changes nothing in it."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from release_watch.drills.receivers.asking import Access, ReceiverRefusedError
from release_watch.errors import BackendError

SYSTEM = "Mailbox"
NEEDS = "login and password of a mailbox that may be read over IMAP, or the folder of a Maildir"
IMAP_SECONDS = 20.0
LARGEST_MAIL_BYTES = 2_000_000
MOST_MAILS = 50
"""Notices of one drill that are looked at, newest first."""


class Mail(NamedTuple):
    """A mail that arrived: ``place`` is where in the mailbox, ``at`` when its server took it."""

    place: str
    at: datetime
    content: EmailMessage
    raw: bytes


class MailboxSettings(BaseModel):
    """How a mailbox is reached: the folder of a Maildir, or an IMAP server. Neither is both."""

    model_config = ConfigDict(frozen=True)

    maildir: Path | None = None
    host: str | None = None
    port: int = Field(993, ge=1, le=65_535)
    user: str = ""
    password: SecretStr = SecretStr("")
    folder: str = "INBOX"
    encryption: Literal["tls", "starttls", "none"] = "tls"

    @model_validator(mode="after")
    def _one_place(self) -> MailboxSettings:
        if (self.maildir is None) == (self.host is None):
            raise ValueError("name either maildir, the folder of a Maildir, or host, an IMAP server")
        return self


class Mailbox(Protocol):
    """Mails that may be looked through."""

    def mails(self, drill_id: str, since: datetime) -> Iterator[Mail]:
        """Yield the mails that may name the drill and came at or after ``since``; more is no harm."""
        ...


def mailbox_of(settings: MailboxSettings, access: Access) -> Mailbox:
    """Return the mailbox that the settings describe."""
    if settings.maildir is not None:
        return Maildir(settings.maildir, access)
    return Imap(settings, access)


class Maildir:
    """A folder in the Maildir format, as mail servers on this machine or a shared disk deliver into it."""

    def __init__(self, folder: Path, access: Access) -> None:
        self._folder = folder
        self._access = access

    def mails(self, drill_id: str, since: datetime) -> Iterator[Mail]:  # noqa: ARG002 the caller looks for the id
        """Yield every mail that was delivered at or after ``since``: a file's time is that of delivery.

        Raises:
            BackendError: if the folder is no Maildir, or may not be read.
        """
        try:
            files = [file for name in ("new", "cur") for file in (self._folder / name).iterdir()]
        except OSError as error:
            what = (
                f"receiver {self._access.receiver!r} cannot be read: {self._folder} is no Maildir that may "
                f"be read here ({error.strerror}). Correct the Airflow connection {self._access.connection!r}"
            )
            raise BackendError(SYSTEM, what) from error
        for file in files:
            try:
                stat = file.stat()
                delivered = datetime.fromtimestamp(stat.st_mtime, UTC)
                if delivered < since or stat.st_size > LARGEST_MAIL_BYTES:
                    continue
                raw = file.read_bytes()
            except FileNotFoundError:
                continue  # the owner moved it meanwhile; it has another name at the next look
            # What follows the colon are flags that change when the mail is read.
            place = self._folder / file.parent.name / file.name.partition(":")[0]
            yield Mail(place.as_uri(), delivered, _parsed(raw), raw)


class Imap:
    """A folder on an IMAP server, looked at without marking anything as read."""

    def __init__(self, settings: MailboxSettings, access: Access) -> None:
        self._settings = settings
        self._access = access

    def mails(self, drill_id: str, since: datetime) -> Iterator[Mail]:
        """Yield the mails in which the server finds the drill's id; their time is when the server took them.

        Raises:
            ReceiverRefusedError: if the server refuses the login.
            BackendError: if it does not answer, or has no such folder.
        """
        try:
            yield from self._search(drill_id, since)
        except (OSError, imaplib.IMAP4.error) as error:
            raise BackendError(SYSTEM, self._trouble(str(error))) from error

    def _search(self, drill_id: str, since: datetime) -> Iterator[Mail]:
        server = self._connected()
        try:
            self._log_in(server)
            status, _ = server.select(_quoted(self._settings.folder), readonly=True)
            if status != "OK":
                raise BackendError(SYSTEM, self._trouble(f"no folder {self._settings.folder!r}"))
            # The date of IMAP's SINCE is a day in the server's own time zone.
            day = f"{since:%d}-{_MONTHS[since.month - 1]}-{since:%Y}"
            _, found = server.uid("SEARCH", "SINCE", day, "TEXT", _quoted(drill_id))
            for uid in reversed((found[0] or b"").split()[-MOST_MAILS:]):
                if (mail := self._fetch(server, uid.decode())) is not None:
                    yield mail
        finally:
            with suppress(OSError, imaplib.IMAP4.error):
                server.logout()

    def _connected(self) -> imaplib.IMAP4:
        settings = self._settings
        host, port = cast(str, settings.host), settings.port
        if settings.encryption == "tls":
            return imaplib.IMAP4_SSL(
                host, port, ssl_context=ssl.create_default_context(), timeout=IMAP_SECONDS
            )
        server = imaplib.IMAP4(host, port, timeout=IMAP_SECONDS)
        if settings.encryption == "starttls":
            server.starttls(ssl.create_default_context())
        return server

    def _log_in(self, server: imaplib.IMAP4) -> None:
        try:
            server.login(self._settings.user, self._settings.password.get_secret_value())
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            # Without the server's words: some repeat the command.
            refused = f"{self._address} refused the login"
            raise ReceiverRefusedError(self._access, None, refused) from None

    def _fetch(self, server: imaplib.IMAP4, uid: str) -> Mail | None:
        _, parts = server.uid("FETCH", uid, f"(INTERNALDATE BODY.PEEK[]<0.{LARGEST_MAIL_BYTES}>)")
        found = next((part for part in parts if isinstance(part, tuple)), None)
        if found is None:
            return None  # it was deleted meanwhile
        raw = found[1]
        around = b" ".join([found[0], *(part for part in parts if isinstance(part, bytes))])
        taken = re.search(rb'INTERNALDATE "([^"]+)"', around)
        if taken is None:
            return None
        at = datetime.strptime(taken[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC)
        place = f"imap://{self._address}/{self._settings.folder};UID={uid}"
        return Mail(place, at, _parsed(raw), raw)

    @property
    def _address(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _trouble(self, what: str) -> str:
        return (
            f"receiver {self._access.receiver!r} cannot be read: {self._address}: {what}. Check the Airflow "
            f"connection {self._access.connection!r}"
        )


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)
