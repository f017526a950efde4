"""What is exported and what governs it, as the API keeps it: resources, their versions, and the log that they are kept in (pure)."""
