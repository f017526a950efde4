"""Adobe's Flow Service and Policy Service over HTTP: the dataflow and its policies, read and changed."""
