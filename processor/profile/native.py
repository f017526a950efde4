"""The compiled half, `processor._native`, where this install has it; all that it does, plain Python does as well."""

from __future__ import annotations

__all__ = ["native"]

try:
    from processor import _native as native
except ImportError:
    native = None  # type: ignore[assignment]  # a module's members have types, an optional one's have none
