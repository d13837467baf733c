"""A STAND-IN for a release orchestrator: it deploys for real, but it is no product; see README.md here."""
