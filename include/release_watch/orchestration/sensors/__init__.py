"""Deferrable sensors: upstream signals, remediation and the baseline window."""
