"""The lines of a file of events: what is taken as an event, and what is said of a line that is none."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from processor.errors import ConfigurationError
from processor.operations.replay import replay
from tests.support.failing_core import core_that_fails

CORE = core_that_fails(KeyError("never"))
ABSENT = object()
EMPTY = '{"segmentMembership": {}}'


def line(**changes: Any) -> str:
    members = {"key": "p", "timestamp": 0, "value": None, **changes}
    return json.dumps({name: value for name, value in members.items() if value is not ABSENT})


def refused(text: str) -> tuple[int | None, str | None, str]:
    with pytest.raises(ConfigurationError) as raised:
        replay(CORE, [line().encode(), text.encode()], "events.jsonl", io.BytesIO(), io.BytesIO())
    (problem,) = raised.value.problems
    assert problem.source == "events.jsonl"
    assert problem.remedy == 'Write {"key", "timestamp", "value" | "valueText", "headers"?} on every line'
    return problem.line, problem.member, problem.message


@pytest.mark.parametrize(
    ("text", "member", "message"),
    [
        ("[1]", "(the line)", "it is not an object"),
        ("null", "(the line)", "it is not an object"),
        (line(key=5), "key", "it is not a text"),
        (line(key=None), "key", "it is not a text"),
        (line(key=ABSENT), "key", "it is not a text"),
        (line(key=5, timestamp="x"), "key", "it is not a text"),
        *(
            (line(timestamp=each), "timestamp", "it is not a number of milliseconds since the epoch")
            for each in (None, ABSENT, True, 1.0, -1, 2**63, "0")
        ),
        (line(headers=[1]), "headers", "it is not an object of texts"),
        (line(headers={"a": 1}), "headers", "it is not an object of texts"),
        (line(headers="x"), "headers", "it is not an object of texts"),
        (line(valueText=None), "valueText", "it is not a text"),
        (line(value=ABSENT), "value", "there is neither value nor valueText"),
        (
            '{"key": 5, "key": "p", "timestamp": 0, "value": 1}',
            "(the line)",
            "it has a member twice, of which the first is wrong",
        ),
    ],
)
def test_a_line_that_is_no_event_is_refused_with_its_number_and_the_member(
    text: str, member: str, message: str
) -> None:
    assert refused(text) == (2, member, message)


@pytest.mark.parametrize("text", ["{", line() + "x", line(value="\ud800"), '{"key": NaN}'])
def test_a_line_that_is_not_json_is_refused_whatever_in_it_is_not(text: str) -> None:
    number, member, message = refused(text)
    assert (number, member) == (2, "(the line)")
    assert message.startswith("it is not JSON: ")


@pytest.mark.parametrize(
    "text",
    [
        line(),
        "  " + line() + "\r\n",
        line(timestamp=2**63 - 1),
        line(headers=None),
        line(headers=[]),
        line(headers={"a": "b", "c": None}),
        line(further={"deep": [1]}),
        '{"key": "p", "key": "q", "timestamp": 0, "value" : null }',
        line(value=ABSENT, valueText=EMPTY),
        line(valueText=EMPTY),
    ],
)
def test_a_line_that_is_an_event_is_taken(text: str) -> None:
    dead_letters = io.BytesIO()
    figures = replay(CORE, [text.encode()], "events.jsonl", io.BytesIO(), dead_letters)
    assert figures == (1, 0, 0), dead_letters.getvalue()


def test_a_value_is_what_stands_in_the_line_and_a_text_of_it_comes_first() -> None:
    dead_letters = io.BytesIO()
    lines = [line(value="x"), line(valueText="{"), line(value={}, valueText="[]"), line(value="null")]
    replay(CORE, [each.encode() for each in lines], "events.jsonl", io.BytesIO(), dead_letters)
    found = [json.loads(each) for each in dead_letters.getvalue().splitlines()]
    assert [(each["event"], each["reason"]) for each in found] == [
        (number, "bad-json") for number in range(4)
    ]
