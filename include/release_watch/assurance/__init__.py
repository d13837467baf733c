"""After the release: recurring checks, alerts against incidents, tuning, scorecard, backlog, every night."""
