"""CDEvents over CloudEvents 1.0: a service was deployed, upgraded, or rolled back."""
