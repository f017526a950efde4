"""The demo: all of it on one machine, with a real Kafka, a Kinesis emulator, and a check of what comes out."""
