"""The mail that arrived is the receipt, in a Maildir or over IMAP. Over SMTP: tests/integration."""

from __future__ import annotations

import mailbox
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from release_watch.drills.receivers.asking import Access, ReceiverRefusedError
from release_watch.drills.receivers.mail import MailReceiver
from release_watch.drills.receivers.mailbox import NEEDS, SYSTEM, MailboxSettings, mailbox_of
from release_watch.errors import BackendError, InvalidInputError
from tests.drills.receivers.imap_stand_in import ImapStandIn

DRILL = "20261122T101500Z-0a1b2c3d-1"
TAKEN = datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)
ACCESS = Access("mail", SYSTEM, "mailbox_default", NEEDS)
PASSWORD = "correct-horse"


def mail(subject: str = f"[FIRING:1] DRILL {DRILL}", text: str = "", html: str = "", **headers: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "alertmanager@shop.test", "oncall@shop.test"
    message["Subject"], message["Message-ID"] = subject, "<1@shop.test>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text or "see above")
    if html:
        message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message.as_bytes()


@pytest.fixture
def box(tmp_path: Path) -> mailbox.Maildir:
    return mailbox.Maildir(tmp_path / "box", create=True)


def deliver(box: mailbox.Maildir, content: bytes, at: datetime = TAKEN) -> Path:
    key = box.add(content)
    path = Path(str(box._path)) / box._lookup(key)  # type: ignore[attr-defined]
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def reader(folder: Path) -> MailReceiver:
    return MailReceiver("mail", mailbox_of(MailboxSettings(maildir=folder), ACCESS))


@pytest.fixture
def receiver(tmp_path: Path, box: mailbox.Maildir) -> MailReceiver:
    return reader(tmp_path / "box")


@pytest.mark.parametrize(
    "content",
    [
        mail(),
        mail("Shop", text=f"DRILL {DRILL}: please answer"),
        mail("Shop", html=f"<p>{'x' * 60} drill_id = {DRILL}<br>{'y' * 90}</p>"),
        mail("Shop", X_Drill=DRILL),
    ],
    ids=["subject", "text", "HTML in quoted-printable", "header"],
)
def test_a_mail_that_names_the_drill_is_its_receipt(
    box: mailbox.Maildir, receiver: MailReceiver, content: bytes
):
    deliver(box, content)
    found = receiver.receipt(DRILL, "firing")
    assert found is not None
    assert (found.at, found.receiver, found.fingerprint) == (TAKEN, "mail", "<1@shop.test>")
    assert receiver.receipt(DRILL, "resolved") is None


@pytest.mark.parametrize(
    "content",
    [mail(f"[RESOLVED] DRILL {DRILL}"), mail("Shop", X_Drill=DRILL, X_Alertmanager_Status="resolved")],
    ids=["subject", "header"],
)
def test_a_mail_says_itself_that_it_is_over(box: mailbox.Maildir, receiver: MailReceiver, content: bytes):
    deliver(box, content)
    assert receiver.receipt(DRILL, "resolved") is not None
    assert receiver.receipt(DRILL, "firing") is None


def test_the_first_mail_stands_and_reading_it_changes_nothing(box: mailbox.Maildir, receiver: MailReceiver):
    deliver(box, mail(), TAKEN + timedelta(minutes=4))
    first = deliver(box, mail())
    found = receiver.receipt(DRILL, "firing")
    read = first.parent.parent / "cur" / f"{first.name}:2,S"
    first.rename(read)
    again = receiver.receipt(DRILL, "firing")
    assert found is not None
    assert again is not None
    assert found.at == again.at == TAKEN
    assert found.sha256 == again.sha256
    assert found.uri == first.as_uri()


@pytest.mark.parametrize(
    "content", [mail(f"[FIRING:1] DRILL {DRILL}2"), mail("Shop"), b"\xff\xfe\x00", b""],
    ids=["another drill", "no drill", "no mail", "nothing"],
)  # fmt: skip
def test_what_does_not_name_the_drill_is_no_receipt(
    box: mailbox.Maildir, receiver: MailReceiver, content: bytes
):
    deliver(box, content)
    assert receiver.receipt(DRILL, "firing") is None


def test_a_mail_from_before_the_drill_is_no_receipt(box: mailbox.Maildir, receiver: MailReceiver):
    deliver(box, mail(), TAKEN - timedelta(minutes=10))
    assert receiver.receipt(DRILL, "firing") is None


def test_a_mail_acknowledges_nothing(box: mailbox.Maildir, receiver: MailReceiver):
    deliver(box, mail(f"Re: DRILL {DRILL}: acknowledged"))
    assert receiver.acknowledgement(DRILL) is None
    assert receiver.pages(DRILL) == ()
    with pytest.raises(InvalidInputError):
        receiver.acknowledgement("../x")


def test_a_folder_that_is_no_maildir_is_an_error_that_names_the_connection(tmp_path: Path):
    with pytest.raises(BackendError, match="'mailbox_default'"):
        reader(tmp_path / "nowhere").receipt(DRILL, "firing")


@pytest.fixture
def imap() -> Iterator[ImapStandIn]:
    mails = [mail("Lunch"), mail(), mail(f"[RESOLVED] DRILL {DRILL}"), mail(f"DRILL {DRILL}2")]
    with ImapStandIn("oncall", PASSWORD, mails, TAKEN) as server:
        yield server


def over_imap(imap: ImapStandIn, **more: Any) -> MailReceiver:
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": imap.port,
        "user": "oncall",
        "password": SecretStr(PASSWORD),
        "encryption": "none",
        **more,
    }
    return MailReceiver("mail", mailbox_of(MailboxSettings(**settings), ACCESS))


def test_a_mailbox_over_imap_is_searched_and_nothing_in_it_is_changed(imap: ImapStandIn):
    receiver = over_imap(imap)
    found, resolved = receiver.receipt(DRILL, "firing"), receiver.receipt(DRILL, "resolved")
    assert found is not None
    assert resolved is not None
    assert found.at == TAKEN
    assert found.uri == f"imap://127.0.0.1:{imap.port}/INBOX;UID=2"
    assert resolved.uri.endswith("UID=3")
    assert not [command for command in imap.commands if command.startswith(("SELECT", "UID STORE"))]
    assert imap.commands[-1] == "LOGOUT"


def test_a_login_that_the_mail_server_refuses_is_said_without_the_password(imap: ImapStandIn):
    with pytest.raises(ReceiverRefusedError) as refused:
        over_imap(imap, password=SecretStr("battery-staple")).receipt(DRILL, "firing")
    text = str(refused.value)
    assert all(part in text for part in ("'mail'", "'mailbox_default'", f"127.0.0.1:{imap.port}"))
    assert "battery" not in text
    assert "battery" not in repr(refused.value.__context__)


@pytest.mark.parametrize("more", [{"folder": "Nowhere"}, {"port": 9}], ids=["no such folder", "nobody there"])
def test_a_mailbox_that_cannot_be_read_is_an_error_that_names_the_connection(
    imap: ImapStandIn, more: dict[str, Any]
):
    with pytest.raises(BackendError, match="'mailbox_default'"):
        over_imap(imap, **more).receipt(DRILL, "firing")


@pytest.mark.parametrize(
    "settings", [{}, {"maildir": "/mail", "host": "imap.shop.test"}], ids=["neither", "both"]
)
def test_a_mailbox_is_a_folder_or_a_server(settings: dict[str, Any]):
    with pytest.raises(ValidationError, match="maildir"):
        MailboxSettings(**settings)
