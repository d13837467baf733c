"""The receivers that policies.yaml names, over their connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from release_watch.drills.receivers.alerta import AlertaReceiver
from release_watch.drills.receivers.asking import Access
from release_watch.drills.receivers.mail import MailReceiver
from release_watch.drills.receivers.mailbox import NEEDS, SYSTEM, MailboxSettings, mailbox_of
from release_watch.drills.receivers.pagerduty import PagerDutyReceiver
from release_watch.drills.receivers.receiver import ASK_EVERY, EmbeddedReceiver, Receiver, Receivers
from release_watch.errors import NotConfiguredError

if TYPE_CHECKING:
    from release_watch.catalog.policies import ReceiverKind, ReceiverSettings
    from release_watch.drills.receipts import Receipts
    from release_watch.transport import Transport

DEFAULT_CONNECTIONS: Mapping[ReceiverKind, str] = {
    "alerta": "alerta_default",
    "pagerduty": "pagerduty_default",
    "mail": "mailbox_default",
}


def receivers_of(
    receipts: Receipts,
    settings: Mapping[str, ReceiverSettings],
    transports: Callable[[str], Transport],
    mailboxes: Callable[[str], MailboxSettings] | None = None,
    *,
    ask_every: Mapping[ReceiverKind, timedelta] = ASK_EVERY,
) -> Receivers:
    """Return the receivers of these settings, by their name in Alertmanager, as one.

    ``transports`` gives the server of an Airflow connection, ``mailboxes`` the mailbox of one; both are asked
    only for what the settings name.

    Raises:
        NotConfiguredError: if a connection is missing; nothing is drilled that could not be proven.
    """

    def made(name: str, wanted: ReceiverSettings) -> Receiver:
        if wanted.kind == "embedded":
            return EmbeddedReceiver(name, receipts)
        connection = wanted.connection or DEFAULT_CONNECTIONS[wanted.kind]
        if wanted.kind == "alerta":
            return AlertaReceiver(name, transports(connection), connection)
        if wanted.kind == "pagerduty":
            return PagerDutyReceiver(name, transports(connection), connection)
        if mailboxes is None:
            raise NotConfiguredError(connection, f"the mailbox of receiver {name}")
        access = Access(name, SYSTEM, connection, NEEDS)
        return MailReceiver(name, mailbox_of(mailboxes(connection), access))

    others = {name: made(name, wanted) for name, wanted in settings.items() if wanted.kind != "embedded"}
    return Receivers(receipts, others, ask_every=ask_every)
