"""Response: findings and their severity, what the policy asks for, rollback and tickets."""
