"""The read side of metrics, logs, traces and probes."""
