from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from release_watch.catalog.config import Config
from release_watch.evidence.models import Evidence
from release_watch.evidence.runbooks import (
    is_template,
    queries,
    runbook_markdown,
    runbook_name,
    without_runbook,
)
from release_watch.release import Release
from tests.evidence.conftest import AT

Read = Callable[[], Evidence]


def without_link(config: Config, name: str) -> Config:
    services = tuple(
        one.model_copy(update={"runbook": None}) if one.name == name else one
        for one in config.catalog.services
    )
    return config.model_copy(update={"catalog": config.catalog.model_copy(update={"services": services})})


def test_a_runbook_is_missing_where_neither_evidence_nor_catalogue_has_one(
    read: Read, folder: Path, config: Config
) -> None:
    bare = without_link(config, "payments").catalog.select(("checkout", "payments"))

    assert [service.name for service in without_runbook(bare, read())] == ["payments"]
    (folder / "runbooks").mkdir()
    (folder / "runbooks" / "payments.md").write_text("# Runbook\n")
    assert without_runbook(bare, read()) == ()


@pytest.fixture
def text(read: Read, release: Release, config: Config) -> str:
    return runbook_markdown(config.catalog.get("payments"), release, config, read(), AT)


def test_it_says_first_that_its_owner_has_to_complete_it(text: str) -> None:
    assert is_template(text)
    assert "**Created from the template; to be completed by team-money.**" in text.split("\n## ")[0]


@pytest.mark.parametrize(
    "words",
    [
        "- owner: team-money",
        "- is called by: checkout",
        "| POST /refunds | new in this release (post-deployment-validation.json:21) |",
        "| POST /charges | as before |",
        "| health check failed: POST /refunds, answered 500 | high | deployment-health-log.md:10 |",
        '`up{job="shop/payments"}`',
        '`{service_name="payments"} \\|~ "(?i)error\\|exception"`',
        '`probe_success{job="blackbox",service="payments"}`',
        "| operations-lead | Operations Lead |",
    ],
)
def test_it_holds_what_is_known_of_the_service(text: str, words: str) -> None:
    assert words in text


def test_there_is_a_query_for_each_signal(config: Config) -> None:
    assert {query.signal for query in queries(config.catalog.get("payments"))} == {
        "metrics",
        "logs",
        "traces",
        "synthetics",
    }


def test_no_service_takes_the_name_of_the_runbook_of_all() -> None:
    assert runbook_name("payments") == "RUNBOOKS/payments.md"
    assert runbook_name("monitoring-runbook") != "RUNBOOKS/monitoring-runbook.md"
