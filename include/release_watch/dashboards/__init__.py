"""Grafana dashboards as code: built, tried on live telemetry, put in place and documented."""
