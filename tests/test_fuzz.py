"""Whatever bytes come, the decoder answers with an event or its reason, the configuration with objects or problems."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.configuration import parse_configuration
from processor.errors import ConfigurationError, InvalidEvent
from processor.governance.plan import compile_plan
from processor.profile.core import Core

SEEDS = Path(__file__).parent / "seeds"
EVENTS = [path.read_bytes() for path in sorted((SEEDS / "events").iterdir())]
FILES = [path.read_bytes() for path in sorted((SEEDS / "configuration").iterdir())]
DESTINATION = """
name: fuzzed
connection: {region: eu-west-1}
stream: s
marketingActions: []
segments: [{id: one}, {id: two}]
attributes: [number, person.email]
"""
CORE = Core(compile_plan(*parse_configuration((DESTINATION, "destination.yaml"), None, {})))
TOKENS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\u",
    b"\\",
    b",",
    b":",
    b"null",
    b"1e999",
    b"\xff",
    b"\0",
    b"\n",
    b"- ",
    b"&a ",
    b"*a",
    b"${",
    b"!!",
    b"<<: ",
]


@st.composite
def changed(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with some of its bytes taken out, doubled, put in or exchanged with another seed's."""
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        piece = draw(
            st.one_of(
                st.just(b""),
                st.just(text[start:end] * 2),
                st.binary(max_size=4),
                st.sampled_from(TOKENS),
                st.sampled_from(seeds).map(lambda other: other[:40]),
            )
        )
        text = text[:start] + piece + text[end:]
    return text


def decode(value: bytes) -> None:
    try:
        transition = CORE.apply(b"p", value, (), timestamp_ms=0, offset=1, state=None)
    except InvalidEvent:
        return
    if transition.state is not None:
        # What was kept can be read again, and the same event changes nothing.
        again = CORE.apply(b"p", value, (), timestamp_ms=0, offset=2, state=transition.state)
        assert again.export is None


def configure(text: str) -> None:
    for destination, governance in ((text, None), (DESTINATION, text)):
        try:
            parse_configuration(
                (destination, "destination.yaml"),
                None if governance is None else (governance, "governance.yaml"),
                {"KEY": "v"},
            )
        except ConfigurationError as error:
            found = error.problems
        else:
            continue
        assert found
        assert all(problem.message and problem.remedy for problem in found)


@pytest.mark.parametrize("value", EVENTS)
def test_each_seed_of_the_decoder_is_answered(value: bytes) -> None:
    decode(value)


@pytest.mark.parametrize("text", FILES)
def test_each_seed_of_the_configuration_is_answered(text: bytes) -> None:
    configure(text.decode())


@given(changed(EVENTS))
def test_the_decoder_answers_whatever_comes(value: bytes) -> None:
    decode(value)


@given(changed(FILES))
def test_the_configuration_answers_whatever_is_written(text: bytes) -> None:
    configure(text.decode(errors="replace"))
