"""What an event costs in each stage, and what the same work costs in C primitives alone.

`python -m benchmarks.stages` measures with pyperf, in several processes a stage.
"""
