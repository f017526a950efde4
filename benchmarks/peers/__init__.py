"""Others that could do the same work, on the same topic and the same endpoint, in one run: `python -m benchmarks.peers`.

Each has what its documentation recommends for throughput; what is set is written down beside its figures.
"""
