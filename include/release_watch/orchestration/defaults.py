"""What every task of the DAGs starts from: owner, retries, time limits, pools and tags."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

OWNER = "sre"


class Tag(StrEnum):
    """The tags that DAGs may carry."""

    RELEASE = "release"
    MONITORING = "monitoring"
    NIGHTLY = "nightly"


RUN_TIMEOUT = timedelta(days=9)
"""Longer than the longest baseline window with its extensions, and every approval and remediation."""

ACTIVE_RUNS = 500
"""Runs last two days and mostly wait; hundreds may be open at once."""

POOL = "default_pool"
"""Every Airflow has it, and it counts neither deferred tasks nor questions: waiting runs take no slot."""

TASK_DEFAULTS: dict[str, Any] = {
    "owner": OWNER,
    "pool": POOL,
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(minutes=15),
}
