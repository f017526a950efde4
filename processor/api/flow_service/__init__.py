"""The Flow Service: specs, connections, and the dataflow, by the calls of the published tutorial."""
