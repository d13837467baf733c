"""The watch over a release: when to look, what to ask in between, and what else than metrics is worse."""
