"""Benchmarks of the processor; see docs/performance.md. Not part of what is installed."""
