"""Telling people, by role: a channel that fails is logged and never stops the protocol."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from release_watch.clock import now, rfc3339
from release_watch.errors import BackendError, NotConfiguredError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from release_watch.catalog.oncall import Person
    from release_watch.orchestration.run import ProtocolRun
    from release_watch.response.attachments import Attachment

APPRISE, SMTP = "apprise_default", "smtp_default"


def tell(
    run: ProtocolRun,
    role: str,
    subject: str,
    text: str,
    people: Sequence[Person] | None = None,
    *,
    attachments: Sequence[Attachment] = (),
) -> tuple[str, ...]:
    """Tell the people of ``role``, or only ``people`` of it; return a line per notice that was handed over.

    ``attachments`` go with the notice; a channel that refuses them gets it without. An empty result means
    that nobody was told, and is recorded as such. Shadow mode tells nobody.
    """
    from release_watch.orchestration.run import log

    if run.release.shadow:
        log.info("Shadow mode: would have told %s: %s", role, subject)
        return ()
    told: list[str] = []
    for channel, send in (("Apprise", _apprise), ("e-mail", _email)):
        try:
            asked = run.config.oncall.people(role) if people is None else people
            told += send(asked, role, subject, text, attachments)
        except NotConfiguredError:
            continue
        except Exception as error:
            log.warning("%s: %s could not be told of %r: %s", channel, role, subject, error)
    if not told:
        log.warning("Nobody was told (%s): add the connection %s or %s", role, APPRISE, SMTP)
    run.record(
        "people told" if told else "nobody was told",
        f"told-{run.task_id}-{role}-{now():%Y%m%dT%H%M%S%f}",
        role=role,
        subject=subject,
        told=told,
        sent_at=rfc3339(now()),
    )
    return tuple(told)


def _apprise(
    people: Sequence[Person], role: str, subject: str, text: str, attachments: Sequence[Attachment]
) -> list[str]:
    from release_watch.orchestration.hooks.transport import find_connection

    connection = find_connection(APPRISE, "notices to people")
    import apprise
    from airflow.providers.apprise.hooks.apprise import AppriseHook

    # Not through the hook's own notify: it drops Apprise's word on whether anybody got the notice.
    channels = apprise.Apprise()
    AppriseHook(apprise_conn_id=APPRISE).set_config_from_conn(connection, channels)
    with _as_files(attachments) as files:
        sent = channels.notify(body=text, title=subject, tag=role, attach=files or None)
    if not sent and attachments:  # a picture that a service refuses must not keep its words from people
        sent = channels.notify(body=text, title=subject, tag=role)
    if not sent:
        raise BackendError("Apprise", f"no channel of the tag {role!r} in {APPRISE} took the notice")
    return [f"{person.user} through Apprise" for person in people]


def _email(
    people: Sequence[Person],
    role: str,  # noqa: ARG001 - one shape
    subject: str,
    text: str,
    attachments: Sequence[Attachment],
) -> list[str]:
    from release_watch.orchestration.hooks.transport import find_connection

    find_connection(SMTP, "notices by e-mail")
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    addresses = [person.address for person in people if person.address and "@" in person.address]
    if not addresses:
        return []
    with _as_files(attachments) as files, SmtpHook(smtp_conn_id=SMTP) as hook:
        hook.send_email_smtp(to=addresses, subject=subject, html_content=_as_html(text), files=files or None)
    return [f"{address} by e-mail" for address in addresses]


@contextmanager
def _as_files(attachments: Sequence[Attachment]) -> Iterator[list[str]]:
    """Lay attachments out as files for as long as they are sent, and give their paths."""
    with TemporaryDirectory(prefix="release-watch-") as folder:
        paths = []
        for number, attachment in enumerate(attachments):
            path = Path(folder) / str(number) / Path(attachment.name).name
            path.parent.mkdir()
            path.write_bytes(attachment.content)
            paths.append(str(path))
        yield paths


def _as_html(text: str) -> str:
    from html import escape

    return f"<pre>{escape(text)}</pre>"
