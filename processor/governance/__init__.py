"""Labels, policies and consent: what may leave, decided once from the two files (pure)."""
