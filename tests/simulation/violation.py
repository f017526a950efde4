"""What a life fails with."""

from __future__ import annotations


class Violation(AssertionError):
    """Something that must hold did not."""
