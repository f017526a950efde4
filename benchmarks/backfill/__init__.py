"""What a backfill takes: alone, beside live events, and in memory.

`python -m benchmarks.backfill` runs all; its figures have a section of docs/performance.md.
"""
