"""Calls of the service's own, beside the published ones: what a set-up looks at before it changes anything."""
