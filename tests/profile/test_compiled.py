"""Which build is tested: the compiled one where that is asked for, the sources otherwise."""

import os

import pytest

from processor.profile import batch, canonical, consent, core, event, export, identity, state_record, times
from processor.state import record_cache

COMPILED = (batch, canonical, consent, core, event, export, identity, state_record, times, record_cache)


@pytest.mark.parametrize("module", COMPILED, ids=lambda module: module.__name__)
def test_the_build_is_the_one_asked_for(module: object) -> None:
    # A compiled module left beside its source would be tested in the source's place.
    suffix = ".so" if "TESTS_COMPILED" in os.environ else ".py"
    assert str(getattr(module, "__file__", "")).endswith(suffix)
