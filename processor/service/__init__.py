"""One process: it connects, runs its worker, watches it, and reports on it."""
