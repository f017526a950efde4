"""What the service tells of itself: figures, health, logs."""
