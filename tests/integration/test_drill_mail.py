"""Drills through the real Alertmanager's email_configs, over real SMTP, into a real Maildir."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox

from release_watch.catalog.policies import ReceiverSettings
from release_watch.clock import now
from release_watch.drills.receipts import Receipts
from release_watch.drills.receivers.connecting import receivers_of
from release_watch.drills.receivers.mailbox import MailboxSettings
from release_watch.drills.receivers.receiver import Receivers
from sandbox.ports import HOST, choose
from tests.integration.conftest import Configure
from tests.integration.direct import DirectBackends
from tests.integration.receivers.posting import AT_ONCE, Drill, eventually, new_drill, only_receiver

DRILL_FIRST = (
    '{{ if eq .CommonLabels.drill "true" }}DRILL {{ .CommonLabels.drill_id }}: {{ end }}'
    '{{ template "email.default.subject" . }}'
)


@pytest.fixture(scope="module")
def maildir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mail") / "oncall"


@pytest.fixture(scope="module")
def smtp(maildir: Path) -> Iterator[str]:
    """A mail server that delivers into the Maildir; its address."""
    controller = Controller(Mailbox(str(maildir)), hostname=HOST, port=choose(["smtp"], {})["smtp"])
    controller.start()
    yield f"{HOST}:{controller.port}"
    controller.stop()


@pytest.fixture
def receivers(receipts: Receipts, maildir: Path) -> Receivers:
    settings = {"on-call-mail": ReceiverSettings(kind="mail")}
    mailboxes = {"mailbox_default": MailboxSettings(maildir=maildir)}
    return receivers_of(receipts, settings, {}.__getitem__, mailboxes.__getitem__, ask_every=AT_ONCE)


def integration(smtp: str, **more: Any) -> dict[str, Any]:
    mail = {
        "to": "oncall@shop.test",
        "from": "alertmanager@shop.test",
        "smarthost": smtp,
        "require_tls": False,
        "send_resolved": True,
        **more,
    }
    return {"email_configs": [mail]}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"headers": {"Subject": DRILL_FIRST}},
        {"headers": {"Subject": "Shop", "X-Alertmanager-Status": "{{ .Status }}"}},
        {"text": "{{ range .Alerts }}{{ .Annotations.description }}{{ end }}", "html": ""},
    ],
    ids=["as Alertmanager writes it", "DRILL first", "status in a header", "plain text"],
)
def test_the_mail_that_arrived_is_the_receipt(
    configure_alertmanager: Configure,
    healthy_configuration: dict[str, Any],
    backends: DirectBackends,
    receivers: Receivers,
    smtp: str,
    maildir: Path,
    more: dict[str, Any],
) -> None:
    configure_alertmanager(only_receiver(healthy_configuration, "on-call-mail", integration(smtp, **more)))
    drill, began = Drill(backends), now()

    drill.fire()
    receipt = eventually(lambda: receivers.find(drill.drill_id, "firing", ["on-call-mail"]))
    assert receivers.missing(drill.drill_id, "resolved", ["on-call-mail"]) == ("on-call-mail",)
    drill.resolve()
    resolved = eventually(lambda: receivers.find(drill.drill_id, "resolved", ["on-call-mail"]))

    assert began <= receipt.at <= resolved.at <= now()
    assert receipt.uri.startswith(maildir.as_uri())
    assert receipt.fingerprint.startswith("<")
    assert receipt.fingerprint != resolved.fingerprint
    assert receivers.acknowledgement(drill.drill_id) is None
    assert receivers.pages(drill.drill_id) == ()


def test_a_drill_that_was_not_mailed_is_in_no_mailbox(receivers: Receivers, smtp: str) -> None:
    assert receivers.find(new_drill(), "firing", ["on-call-mail"]) is None
