"""What is served over HTTP: health, metrics, the status page and its data."""
