"""The compiled build, where it is what is tested."""

import os

import pytest

from processor import batch
from processor.profile import canonical, consent, core, event, export, identity, record, times
from processor.state import cache

COMPILED = (batch, canonical, consent, core, event, export, identity, record, times, cache)


@pytest.mark.skipif(
    "PROCESSOR_TEST_COMPILED" not in os.environ, reason="make test-compiled runs it on that build"
)
@pytest.mark.parametrize("module", COMPILED, ids=lambda module: module.__name__)
def test_what_is_said_to_be_compiled_is(module: object) -> None:
    assert str(getattr(module, "__file__", "")).endswith(".so")
