"""Several workers on one machine: a parent starts them, starts them again, and hands out the configuration."""
