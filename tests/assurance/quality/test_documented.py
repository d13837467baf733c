"""The document shows the policy as it is, and the columns of the CSV file."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from release_watch.assurance.quality.incidents_csv import COLUMNS
from release_watch.assurance.quality.measures import rules_of
from release_watch.assurance.quality.review import VERDICTS
from release_watch.catalog.policies import AlertQualityPolicy, Policies

DOCUMENT = (Path(__file__).parents[3] / "docs" / "alert-quality.md").read_text(encoding="utf-8")


def test_the_policy_of_the_document_is_the_default():
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    shown = yaml.safe_load(block)
    assert set(shown["alert_quality"]) == set(AlertQualityPolicy.model_fields)
    assert Policies.model_validate(shown) == Policies()


def test_every_column_and_verdict_is_explained():
    assert [name for name in (*COLUMNS, *VERDICTS) if f"`{name}`" not in DOCUMENT] == []


def test_the_rules_in_words_follow_the_policy():
    policy = AlertQualityPolicy(dependencies=True, review="tracker", lead="PT10M", joined_gap="PT7M")
    rules = " ".join(rules_of(policy))
    for part in (
        "10 min before the ticket",
        "7 min apart",
        "calls, or is called by",
        "every incident has its ticket",
    ):
        assert part in rules
