from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.assurance.registry import ActiveDashboard, ActiveReleases
from release_watch.errors import InvalidInputError
from tests.assurance.fakes import NOW, release


def register(registry, *releases, **more):
    given = {"artifacts_uri": "file:///a", "rules": {"r": "groups: []"}, "at": NOW} | more
    return [registry.register(one, **given) for one in releases]


def watched(registry, environment="production"):
    return {entry.release.release_id: entry.services for entry in registry.all(environment)}


def test_nothing_is_under_watch_before_the_first_release(tmp_path):
    assert ActiveReleases(tmp_path).all() == ()
    assert ActiveReleases(tmp_path).newest("production") is None


def test_a_release_comes_back_as_it_was_registered(tmp_path):
    registry = ActiveReleases(tmp_path)
    board = ActiveDashboard(uid="u", title="RED")
    (entry,) = register(registry, release(), dashboards=[board], endpoints={"checkout": ["POST /orders"]})
    assert ActiveReleases(tmp_path).all() == (entry,)


def test_registering_twice_leaves_one_entry_with_the_first_time(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release())
    register(registry, release(), at=NOW + timedelta(hours=1), rules={"r": "new"})
    (entry,) = registry.all()
    assert (entry.registered_at, entry.rules) == (NOW, {"r": "new"})


def test_a_newer_release_of_the_same_services_supersedes(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release("new", days_ago=1), release("old", days_ago=2))
    assert watched(registry) == {"new": ("checkout", "payments")}


def test_a_release_keeps_the_services_that_nothing_newer_has(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release("old", "checkout", "payments", days_ago=2), release("new", "checkout"))
    assert watched(registry) == {"new": ("checkout",), "old": ("payments",)}


def test_environments_do_not_supersede_each_other(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release("a", days_ago=2), release("b", environment="staging"))
    assert watched(registry, None).keys() == {"a", "b"}
    assert watched(registry).keys() == {"a"}


def test_a_retired_release_gives_its_services_back(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release("old", days_ago=2), release("bad"))
    registry.retire("production", "bad", reason="rolled back", at=NOW)
    assert watched(registry) == {"old": ("checkout", "payments")}


def test_a_late_retry_does_not_bring_a_retired_release_back(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release("bad"))
    registry.retire("production", "bad", reason="rolled back", at=NOW)
    registry.retire("production", "bad", reason="again", at=NOW)
    register(registry, release("bad"))
    assert watched(registry) == {}
    assert registry.retirement("production", "bad") == "rolled back"
    assert not registry.holds(release("bad"))


def test_it_tells_what_a_release_will_take_over(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(
        registry, release("a", "checkout", days_ago=3), release("b", "catalogue", days_ago=3), release("new")
    )
    found = registry.superseded_by(release("next", "checkout", days_ago=0.1))
    assert [entry.release.release_id for entry in found] == ["new"]


def test_the_release_before_is_the_newest_one_that_shared_a_service(tmp_path):
    registry = ActiveReleases(tmp_path)
    names = [
        ("old", "checkout", 5),
        ("rolled-back", "checkout", 3),
        ("other", "mail", 2),
        ("now", "checkout", 1),
    ]
    releases = {name: release(name, service, days_ago=days) for name, service, days in names}
    register(registry, *releases.values())
    registry.retire("production", "rolled-back", reason="rolled back", at=NOW)
    assert registry.predecessor(releases["now"]).release.release_id == "old"
    assert registry.predecessor(releases["old"]) is None


def test_a_damaged_registration_is_named_and_not_skipped(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release())
    file = next(tmp_path.rglob("registration.json"))
    file.write_text(json.dumps({**json.loads(file.read_text()), "release": {"release_id": "rel-1"}}))
    with pytest.raises(InvalidInputError, match=r"registration\.json"):
        registry.all()


def test_a_damaged_registration_is_mended_by_registering_again(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release())
    next(tmp_path.rglob("registration.json")).write_text("{}")
    register(registry, release(), at=NOW + timedelta(hours=1))
    (entry,) = registry.all()
    assert entry.registered_at == NOW + timedelta(hours=1)


def test_a_damaged_retirement_is_told_and_hides_no_other(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release("rel-1", "checkout"), release("rel-2", "mail"))
    registry.retire("production", "rel-1", reason="rolled back", at=NOW)
    next(tmp_path.rglob("retirement.json")).write_text("")
    found = registry.readable()
    assert [entry.release.release_id for entry in found.active] == ["rel-2"]
    assert [one.release_id for one in found.damaged] == ["rel-1"]
    assert "retirement.json" in found.damaged[0].problem
    with pytest.raises(InvalidInputError, match=r"retirement\.json"):
        registry.all()


def test_a_folder_that_no_run_wrote_is_told_and_hides_no_other(tmp_path):
    registry = ActiveReleases(tmp_path)
    register(registry, release("rel-1", "checkout"))
    folder = next(tmp_path.rglob("registration.json")).parent
    shutil.copytree(folder, folder.with_name("rel-1 (copy)"))
    found = registry.readable()
    assert [entry.release.release_id for entry in found.active] == ["rel-1"]
    assert [one.release_id for one in found.damaged] == ["rel-1 (copy)"]


def test_parallel_runs_do_not_disturb_each_other(tmp_path):
    releases = [release(f"rel-{n}", f"service-{n % 10}", days_ago=n + 1) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: register(ActiveReleases(tmp_path), one), releases))
    assert watched(ActiveReleases(tmp_path)) == {f"rel-{n}": (f"service-{n}",) for n in range(10)}


@given(
    st.lists(
        st.sets(st.sampled_from(["a", "b", "c"]), min_size=1).map(lambda names: tuple(sorted(names))),
        min_size=1,
        max_size=5,
    )
)
def test_every_service_belongs_to_its_newest_release(tmp_path_factory, deployments):
    registry = ActiveReleases(tmp_path_factory.mktemp("registry"))
    newest = {}
    for number, services in enumerate(deployments):
        register(registry, release(f"rel-{number}", *services, days_ago=10 - number))
        newest |= dict.fromkeys(services, f"rel-{number}")
    owners = {s: entry.release.release_id for entry in registry.all() for s in entry.services}
    assert owners == newest
    assert sum(len(entry.services) for entry in registry.all()) == len(newest)
