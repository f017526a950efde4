"""What a backfill is made of, beside the worker that runs it: its note in the changelog, the search for latest events, its share of a worker, and what is told of it to other machines."""
