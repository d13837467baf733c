"""A small shop under load: four services that call each other and export metrics, logs and traces."""
