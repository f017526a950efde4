"""What is known against a record that Kinesis rejected, alone or with others."""

from __future__ import annotations

import msgspec


class Evidence(msgspec.Struct, gc=False):
    """Against one record. Calls are referred to by their numbers, which grow in the order in which they begin."""

    rejected_at: int
    """The newest call that had begun when the record was first rejected, or last proven to be rejected for itself."""
    alone: int = 0
    """How often it was rejected alone."""
    proofs: int = 0
    """How often it was rejected alone after others, sent later than `rejected_at`, had been taken."""

    def add_rejection_alone(self, *, newest_taken: int, newest_begun: int) -> bool:
        """Note that the record was rejected alone, and return whether that is a proof.

        `newest_taken` is the newest call of which records were known to be taken when this one was sent, and
        `newest_begun` the newest call that has begun by now.
        """
        self.alone += 1
        is_proof = self.rejected_at < newest_taken
        if is_proof:
            self.rejected_at = newest_begun
            self.proofs += 1
        return is_proof
