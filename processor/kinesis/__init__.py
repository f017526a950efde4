"""Kinesis at the edge: the connection, the packing of batches, the writer that keeps each profile's order."""
