"""The whole way, measured: real Kafka, a contender in processes of its own, and the counting endpoint.

`python -m benchmarks.end_to_end` measures the processor; `python -m benchmarks.peers` compares it with others.
"""
