"""What must be settled before anything imports Airflow: a throw-away home for each test process."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INHERITED = ("AIRFLOW", "RELEASE_WATCH_CONFIG", "RELEASE_WATCH_ARTIFACT")
"""Variables of the developer's own Airflow; a test must not see its connections or write into it."""


def _throw_away_home() -> Path:
    """Point Airflow at a new folder, which is to hold its SQLite database too: one for each xdist worker.

    Whatever a test starts inherits this, so it sets no more than a started Airflow sets again for itself.
    """
    for name in [name for name in os.environ if name.startswith(INHERITED)]:
        del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix=f"release-watch-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-"))
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "RELEASE_WATCH_ARTIFACT_ROOT": str(home / "artifacts"),
        "GX_ANALYTICS_ENABLED": "false",
    }
    return home


HOME = _throw_away_home()


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse deprecated Airflow imports; the filter imports Airflow, so domain tests go without."""
    for item in items:
        if {HERE / "dags", HERE / "orchestration"} & set(item.path.parents):
            item.add_marker(
                pytest.mark.filterwarnings("error::airflow.utils.deprecation_tools.DeprecatedImportWarning")
            )
