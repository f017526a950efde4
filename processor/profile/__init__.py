"""From an event's bytes to an export's bytes: event, view, diff, export, state record (pure)."""
