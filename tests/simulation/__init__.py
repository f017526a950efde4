"""The worker's real code in a world with one seed: Kafka, Kinesis, disk and clock are simulated, faults are many."""
