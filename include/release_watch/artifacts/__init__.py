"""The artifact store, the models of what it holds, and the audit trail."""
