"""What upstream wrote about the deployment, read with care, and what monitoring it asks for."""
