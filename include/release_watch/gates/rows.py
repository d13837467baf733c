"""The rows of a gate's table.

Every table has the columns ``kind`` (what sort of row), ``name``, ``status`` (PASS, WARN, FAIL, INCONCLUSIVE
or MISSING), ``observed``, ``expected``, ``remedy`` and ``query``, and the columns of its gate. An artifact
that is not there becomes a row that says so, never a missing row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from release_watch.handoff.package import CONTENTS

if TYPE_CHECKING:
    import pandas as pd

COMMON = ("kind", "name", "status", "observed", "expected", "remedy", "query")
COLUMNS: dict[int, tuple[str, ...]] = {
    1: (*COMMON, "tier"),
    2: (
        *COMMON,
        "fired",
        "accepted",
        "delivered",
        "acknowledged",
        "acknowledged_by",
        "acknowledged_after_seconds",
        "target_seconds",
    ),
    3: COMMON,
    4: (*COMMON, "sha256_recorded", "sha256_stored"),
}
Row = dict[str, Any]


def table(gate: int, rows: Iterable[Row]) -> pd.DataFrame:
    """Return the table of ``gate`` with these rows; numbers are floats, all else is text or None."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(COLUMNS[gate]))
    numeric = [column for column in frame.columns if str(column).endswith("_seconds")]
    return frame.astype({column: float if column in numeric else object for column in frame.columns})


def row(kind: str, name: str, *, holds: bool | None, observed: str, expected: str, **more: Any) -> Row:
    """Return one row; ``holds`` None means that nobody knows."""
    status = {True: "PASS", False: "FAIL", None: "INCONCLUSIVE"}[holds]
    return {"kind": kind, "name": name, "status": status, "observed": observed, "expected": expected, **more}


def document_row(name: str, text: str | bytes | None) -> Row:
    """Return the row of a document that must be there and say something."""
    if text and text.strip():
        return row("document", name, holds=True, observed="there", expected="a document")
    observed = "not there" if text is None else "empty"
    remedy = f"see the log of the task group {CONTENTS.get(name, 'that writes it')}"
    return {
        **row("document", name, holds=None, observed=observed, expected="a document", remedy=remedy),
        "status": "MISSING",
    }
