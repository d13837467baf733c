"""``python -m release_watch.slo``: rules with their tests, what is wrong with them, and what they mean."""
