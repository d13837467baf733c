"""Baselines: what to measure, the normal range before and after a release, and the reviews against it."""
