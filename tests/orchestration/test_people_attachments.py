"""Plots go with notices; what takes no files still carries the words."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from release_watch.orchestration.notifiers.people import tell
from release_watch.response.attachments import Attachment

PLOT = Attachment("checkout-errors.png", "image/png", b"\x89PNG a picture")


@pytest.fixture
def chat(server, monkeypatch):
    """A JSON webhook of Apprise for the role sre."""
    config = {"path": f"json://127.0.0.1:{server.port}/hook", "tag": "sre"}
    connection = {"conn_type": "apprise", "extra": {"config": config}}
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps(connection))
    return server


def test_a_plot_goes_through_apprise(chat, run):
    tell(run, "sre", "1 finding", "it is worse", attachments=(PLOT,))

    (sent,) = json.loads(chat.asked[0].body)["attachments"]
    assert sent["filename"] == PLOT.name
    assert base64.b64decode(sent["base64"]) == PLOT.content


def test_a_service_that_refuses_the_plot_gets_the_words(chat, run):
    chat.answer((413, "too large"), (200, "ok"))

    told = tell(run, "sre", "1 finding", "it is worse", attachments=(PLOT,))

    assert told == ("sre through Apprise",)
    last = json.loads(chat.asked[-1].body)
    assert (last["message"], last["attachments"]) == ("it is worse", [])


def test_a_plot_goes_with_the_mail(run, monkeypatch):
    mails = []

    class Mailer:
        def __init__(self, smtp_conn_id):
            self.smtp_conn_id = smtp_conn_id

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def send_email_smtp(self, *, to, files, **_):
            mails.append((to, [(Path(file).name, Path(file).read_bytes()) for file in files]))

    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", "smtp://localhost")
    monkeypatch.setattr("airflow.providers.smtp.hooks.smtp.SmtpHook", Mailer)

    tell(run, "sre", "1 finding", "it is worse", attachments=(PLOT, PLOT))

    assert [files for _, files in mails] == [[(PLOT.name, PLOT.content)] * 2]
