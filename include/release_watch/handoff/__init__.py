"""The handover: the package and its manifest, who approved it, who was told, and the runbook."""
