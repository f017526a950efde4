"""One member of the consumer group, from poll to commit: partitions come and go, and each goes through the stages."""
