from __future__ import annotations

import pytest

from release_watch.catalog.backstage.references import Reference, parse_reference


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("checkout", Reference("component", "shop", "checkout"), id="name"),
        pytest.param("other/checkout", Reference("component", "other", "checkout"), id="namespace"),
        pytest.param("resource:db", Reference("resource", "shop", "db"), id="kind"),
        pytest.param("API:Other/Orders.v1", Reference("api", "other", "orders.v1"), id="all, large letters"),
        pytest.param({"kind": "Group", "name": "a"}, Reference("group", "shop", "a"), id="mapping"),
    ],
)
def test_a_reference_may_leave_out_kind_and_namespace(written: object, expected: Reference) -> None:
    assert parse_reference(written, kind="component", namespace="shop") == expected


@pytest.mark.parametrize("written", [None, "", "a/b/c", "a:b:c", ":a", "a b", 7, {}, {"kind": "x"}, ["a"]])
def test_anything_else_is_no_reference(written: object) -> None:
    with pytest.raises(ValueError, match="no entity reference"):
        parse_reference(written, kind="component", namespace="shop")
