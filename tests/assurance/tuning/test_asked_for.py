"""What a run may ask for: known ids, a release under watch, a rule that is as it was tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance.registry import ActiveRelease, ActiveReleases
from release_watch.assurance.tuning import standing, telling
from release_watch.assurance.tuning.request import PARAM_SCHEMAS, Action, TuningRequest
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import to_yaml
from tests.assurance.fakes import NOW, release
from tests.assurance.tuning.tuned import PROPOSAL_ID, groups, kept, other, proposal, rule, tuned

PARAMS = {"environment": "production", "release_id": "rel-1", "proposal_id": PROPOSAL_ID}
RULES = {"other": to_yaml(groups(other())), "ours": to_yaml(groups(rule(), other()))}


def test_a_request_is_what_its_params_say() -> None:
    asked = TuningRequest.from_params({**PARAMS, "action": "take_back"})
    assert asked.model_dump() == {**PARAMS, "action": Action.TAKE_BACK}
    assert TuningRequest.from_params(PARAMS).action is Action.APPLY
    assert set(PARAM_SCHEMAS) == set(TuningRequest.model_fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"environment": "../prod"}, "environment: '../prod' is not a valid identifier"),
        ({"release_id": 'a"b'}, "release_id: 'a\"b' is not a valid identifier"),
        ({"release_id": None}, "release_id: missing"),
        ({"proposal_id": "tune-../../etc"}, "proposal_id: 'tune-../../etc' is not a valid identifier"),
        ({"proposal_id": "rule-0123456789ab"}, "proposal_id: 'rule-0123456789ab' is no proposal"),
        ({"action": "remove"}, "action: 'remove' is none of apply, take_back"),
        ({"force": True}, "force: unknown parameter"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        TuningRequest.from_params({**PARAMS, **change})
    assert words in str(refused.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidInputError) as refused:
        TuningRequest.from_params({})
    assert len(refused.value.problems) == 3


@pytest.fixture
def registry(tmp_path: Path) -> ActiveReleases:
    found = ActiveReleases(tmp_path)
    found.register(release("rel-1"), artifacts_uri="file:///a", rules=RULES, at=NOW)
    return found


def entry(registry: ActiveReleases, release_id: str = "rel-1") -> ActiveRelease:
    return standing.release_to_tune(registry, "production", release_id)


def test_a_release_under_watch_may_be_tuned(registry: ActiveReleases) -> None:
    assert entry(registry).rules == RULES


@pytest.mark.parametrize("release_id", ["rel-2", "rel-0"])
def test_a_release_that_is_not_registered_is_refused(registry: ActiveReleases, release_id: str) -> None:
    with pytest.raises(InvalidInputError, match=f"'{release_id}' is not registered.*production: rel-1;"):
        entry(registry, release_id)


def test_a_superseded_release_is_refused(registry: ActiveReleases) -> None:
    registry.register(release("rel-2", days_ago=0.5), artifacts_uri="file:///a", rules={}, at=NOW)
    with pytest.raises(InvalidInputError, match="superseded; under watch in production: rel-2"):
        entry(registry)


def test_a_retired_release_is_refused_with_the_reason(registry: ActiveReleases) -> None:
    registry.retire("production", "rel-1", reason="rolled back", at=NOW)
    with pytest.raises(InvalidInputError, match="was retired: rolled back"):
        entry(registry)


def test_the_alert_of_a_service_that_was_taken_over_is_refused(registry: ActiveReleases) -> None:
    registry.register(release("rel-2", "checkout", days_ago=0.5), artifacts_uri="", rules={}, at=NOW)
    with pytest.raises(InvalidInputError, match="does not watch checkout: release rel-2 has taken it over"):
        standing.check_service(entry(registry), proposal(), registry)


def test_the_rule_set_is_that_of_the_rule(registry: ActiveReleases) -> None:
    assert standing.rule_set_to_tune(entry(registry), proposal()) == "ours"


def test_a_rule_that_is_as_proposed_already_is_found_too(registry: ActiveReleases) -> None:
    registry.replace_rules("production", "rel-1", "ours", to_yaml(groups(tuned())))
    found = entry(registry)
    assert standing.rule_set_to_tune(found, proposal()) == "ours"
    assert standing.holds(found, kept())
    assert found.rules["other"] == RULES["other"]


def test_a_rule_that_was_changed_since_is_refused(registry: ActiveReleases) -> None:
    registry.replace_rules("production", "rel-1", "ours", to_yaml(groups(rule(hold="1m"))))
    with pytest.raises(InvalidInputError, match="run the back-test again"):
        standing.rule_set_to_tune(entry(registry), proposal())
    assert not standing.holds(entry(registry), kept())


@pytest.mark.parametrize(("release_id", "name"), [("rel-9", "ours"), ("rel-1", "theirs")])
def test_only_rules_that_are_registered_can_be_replaced(
    registry: ActiveReleases, release_id: str, name: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"{release_id}.*{name}"):
        registry.replace_rules("production", release_id, name, "groups: []")


def test_the_proposal_is_read_as_it_was_written(tmp_path: Path) -> None:
    store, asked = ArtifactStore(tmp_path, "production", "rel-1"), TuningRequest.from_params(PARAMS)
    store.write_bytes(f"tuning/{PROPOSAL_ID}.json", proposal().document())
    assert standing.stored_proposal(store, asked) == proposal().document()


def test_a_proposal_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    store, asked = ArtifactStore(tmp_path, "production", "rel-1"), TuningRequest.from_params(PARAMS)
    with pytest.raises(InvalidInputError, match="no proposal"):
        standing.stored_proposal(store, asked)
    store.write_bytes("tuning/tune-ffffffffffff.json", b"{}")
    with pytest.raises(InvalidInputError, match="has tune-ffffffffffff"):
        standing.stored_proposal(store, asked)


@pytest.mark.parametrize("document", [b"{}", proposal(proposal_id="tune-ffffffffffff").document()])
def test_a_document_that_is_another_one_is_refused(tmp_path: Path, document: bytes) -> None:
    store, asked = ArtifactStore(tmp_path, "production", "rel-1"), TuningRequest.from_params(PARAMS)
    store.write_bytes(f"tuning/{PROPOSAL_ID}.json", document)
    with pytest.raises(InvalidInputError, match="proposal"):
        standing.stored_proposal(store, asked)


def test_a_person_reads_the_change_before_and_after() -> None:
    table = list(telling.before_and_after(proposal()))
    assert table[2].split() == ["false", "firings", "10", "4"]
    assert "+    for: 5m" in telling.change_diff(proposal())
    assert "-    for: 5m" in telling.change_diff(proposal(), taking_back=True)
    assert telling.headline(proposal(), taking_back=True).startswith("Take back HighErrorRate of checkout")
    assert any("4 of the 4 known incidents" in line for line in telling.evidence(proposal()))
