"""Gate 4: the rows for the files of the package, the approvals and the notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from release_watch.artifacts.models import ApprovalRecord, Manifest
from release_watch.gates.rows import Row, row
from release_watch.handoff.approvals import judge_approvals
from release_watch.handoff.notices import OWNERS
from release_watch.handoff.package import CONTENTS


def file_rows(manifest: Manifest | None, stored: Mapping[str, str]) -> Iterator[Row]:
    """Yield a row per file that must be or is in the package, with its digests then and now."""
    recorded = {entry.path: entry for entry in manifest.files} if manifest else {}
    for name in [*CONTENTS, *sorted(recorded.keys() - CONTENTS.keys())]:
        entry = recorded.get(name)
        full = entry is not None and entry.bytes > 0
        remedy = f"compile it again: it is written by {CONTENTS.get(name, 'an earlier task')}"
        yield {
            **row(
                "file",
                name,
                holds=full if manifest else None,
                observed="recorded" if full else "not in the manifest or empty",
                expected="in the manifest, unchanged",
                remedy=None if full and entry and stored.get(name) == entry.sha256 else remedy,
            ),
            "sha256_recorded": entry.sha256 if entry else None,
            "sha256_stored": stored.get(name),
        }


def signed_rows(changed: Sequence[str] | None) -> Iterator[Row]:
    """Yield a row per file that changed after it was signed, one if none did; None: nothing was signed."""
    expected, kind = "as it was signed", "signed"
    if changed is None:
        remedy = "compile the package and have it signed"
        observed = "there is no SHA256SUMS"
        yield row(kind, "package", holds=None, observed=observed, expected=expected, remedy=remedy)
    elif not changed:
        yield row(kind, "package", holds=True, observed=expected, expected=expected)
    for name in changed or ():
        remedy = "compile the package again and have it signed again"
        yield row(kind, name, holds=False, observed="changed or gone since", expected=expected, remedy=remedy)


def approval_rows(record: ApprovalRecord | None, stored: Mapping[str, str]) -> Iterator[Row]:
    """Yield a row per demand on the approvals; ``stored`` has the current digests by URI."""
    approvals = record.approvals if record else ()
    owner = record.on_call_owner if record else None
    for objective in judge_approvals(approvals, stored, on_call_owner=owner).objectives:
        yield row(
            "approval",
            objective.name,
            holds=objective.verdict.proceeds,
            observed=objective.reason,
            expected="recorded, on unchanged evidence",
        )


def notice_rows(manifest: Manifest | None) -> Iterator[Row]:
    """Yield a row per downstream owner."""
    given = {str(notice.get("owner")): notice for notice in manifest.notices} if manifest else {}
    for owner in OWNERS:
        notice = given.get(owner.name)
        delivered = notice is not None and notice.get("delivered") is True
        yield row(
            "notice",
            f"notice to {owner.name}",
            holds=delivered,
            observed=str(notice.get("proof", "no proof")) if notice else "not sent",
            expected=f"delivered to {owner.procedure}",
            remedy=None if delivered else "see that release_orchestrator_default answers, then notify again",
        )
