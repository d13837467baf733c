"""Error budgets, burn-rate windows, alert and recording rules, and their activation."""
