"""State by partition: what was last exported for each profile."""
