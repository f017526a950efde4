"""Kafka at the edges: the source of events, the topics that must exist, the dead letters."""
