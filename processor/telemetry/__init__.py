"""What the service reports of itself: figures, health, metrics, logs, traces."""
