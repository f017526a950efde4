"""The benchmarks' options: what does not fit is told before anything is started."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from benchmarks.options import add_shape_options, amount, count, count_or_none, named, shape_of
from benchmarks.workload import REFERENCE


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    made.add_argument("--events", type=count)
    made.add_argument("--more", type=count_or_none)
    made.add_argument("--seconds", type=amount)
    add_shape_options(made)
    return made


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--events", "0"], "0 is not 1 or more"),
        (["--events", "many"], "invalid count value"),
        (["--more", "-1"], "-1 is not 0 or more"),
        (["--seconds", "-1"], "-1 is not a number from 0 on"),
        (["--seconds", "nan"], "nan is not a number from 0 on"),
        (["--profiles", "0"], "event_bytes and profiles must be at least 1"),
        (["--segments-mapped", "21"], "segments_mapped must be between 1 and segments"),
        (["--share-of-changes", "1.1"], "share_of_changes must be between 0 and 1"),
        (["--share-invalid", "-0.1"], "share_invalid must be between 0 and 1"),
        (["--share-invalid", "0.5"], "share_of_changes and share_invalid are more than 1 together"),
        (
            ["--share-of-attributes", "0.99"],
            "share_of_attributes and share_of_identities are more than 1 together",
        ),
        (["--zipf", "-1"], "zipf must be a number from 0 on"),
    ],
)
def test_what_does_not_fit_is_reported(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = parser()
    with pytest.raises(SystemExit) as ended:
        shape_of(made, made.parse_args(options))
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_shape_is_made_of_its_options() -> None:
    made = parser()
    assert made.parse_args(["--more", "0"]).more == 0
    shape = shape_of(made, made.parse_args(["--profiles", "7", "--zipf", "1.5", "--seed", "3"]))
    assert shape == replace(REFERENCE, profiles=7, zipf=1.5, seed=3)


def test_a_part_of_a_name_chooses(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["workers", "workers in turns", "skew"]
    assert named(parser(), names, None) == names
    assert named(parser(), names, "workers") == names[:2]
    with pytest.raises(SystemExit):
        named(parser(), names, "shards")
    assert "none contains 'shards': there are workers, workers in turns, skew" in capsys.readouterr().err
