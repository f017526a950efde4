"""What a backfill is made of, beside the worker that runs it: its note in the changelog, the search for latest events, its share of a worker, and what is reported of it to other machines."""
