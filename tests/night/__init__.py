"""A night on this machine: a cluster, a stream and the service under load, everything that goes wrong, and a table."""
