from __future__ import annotations

from release_watch.watch.templates import Template, Templates, constant_pieces

REFUSED = "connection to 10.0.0.{n}:5432 refused after {n} ms"
BROKEN = "unhandled exception in /charges: 'NoneType' object has no attribute 'currency' (order {n})"


def added(templates: Templates, *messages: str) -> list[Template]:
    for message in messages:
        templates.add(message)
    return templates.new()


def test_a_message_like_one_from_before_is_not_new() -> None:
    assert added(Templates([REFUSED.format(n=1)]), REFUSED.format(n=2), REFUSED.format(n=3)) == []


def test_messages_that_differ_in_what_varies_are_one_new_template() -> None:
    (found,) = added(Templates([REFUSED.format(n=1)]), *(BROKEN.format(n=n) for n in range(1, 8)))

    assert found.lines == 7
    assert "object has no attribute 'currency'" in found.text


def test_a_short_message_with_a_number_is_one_template() -> None:
    (found,) = added(Templates(), *(f"payments answered {status}" for status in (500, 500, 502, 503)))

    assert (found.text, found.lines) == ("payments answered <*>", 4)
    assert added(Templates(["payments answered 500"]), "payments answered 503") == []


def test_a_template_keeps_its_id_from_review_to_review() -> None:
    (first,) = added(
        Templates(), "charge of card ada declined by bank one", "charge of card bob declined by bank one"
    )

    (again,) = added(Templates((), [first.first]), "charge of card eve declined by bank one")

    assert again.template_id == first.template_id


def test_the_most_frequent_comes_first() -> None:
    found = added(Templates(), "one thing broke badly", *["quite another failure here"] * 3)

    assert [one.lines for one in found] == [3, 1]


def test_what_is_looked_for_in_the_reference_stands_in_the_line_however_it_is_written() -> None:
    pieces = constant_pieces('unhandled "exception" in <*>: it\'s a \\ thing called x')

    assert pieces == ["thing called x", "exception", "unhandled"]
