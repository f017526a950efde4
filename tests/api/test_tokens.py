"""Whose a token is, and what happens when the files that hold them change."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from processor.api.tokens import Tokens
from processor.errors import ConfigurationError
from processor.settings import ApiSettings

if TYPE_CHECKING:
    from pathlib import Path

ONE = "one-of-the-tokens-0001"
TWO = "two-of-the-tokens-0002"
READS = "reads-and-reads-000003"


def tokens(**settings: object) -> Tokens:
    return Tokens(ApiSettings.model_validate(settings))


def may_change(known: Tokens, token: str) -> bool | None:
    bearer = known.bearer(token)
    return None if bearer is None else bearer.may_change


def test_a_token_changes_a_read_token_reads_and_any_other_is_nobody_s() -> None:
    known = tokens(api_token=f"{ONE} {TWO}", api_read_token=READS)
    assert [may_change(known, each) for each in (ONE, TWO, READS)] == [True, True, False]
    for other in ("", ONE[:-1], ONE + "x", ONE.upper(), f"{ONE} {TWO}", "größer-als-das-0000"):
        assert may_change(known, other) is None


def test_a_token_s_name_tells_it_from_others_and_nothing_of_what_it_is() -> None:
    known = tokens(api_token=f"{ONE} {TWO}")
    names = [bearer.name for each in (ONE, TWO) if (bearer := known.bearer(each)) is not None]
    assert len(set(names)) == 2
    assert not any(name.removeprefix("token ") in ONE + TWO for name in names)
    assert ONE not in repr(known.bearer(ONE))


def test_a_file_has_tokens_a_line_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# of the pipeline\n{ONE}\n\n  {TWO}  # of the on-call\r\n")
    known = tokens(api_token_file=file)
    assert may_change(known, ONE)
    assert may_change(known, TWO)
    assert may_change(known, "pipeline") is None


def test_a_changed_file_gives_tokens_out_and_takes_them_back(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(ONE)
    known = tokens(api_token_file=file)
    file.write_text(f"{ONE}\n{TWO}")
    known.look()
    assert may_change(known, ONE)
    assert may_change(known, TWO)
    file.write_text(TWO)
    known.look()
    assert may_change(known, ONE) is None
    assert may_change(known, TWO)


async def test_files_are_looked_at_again_and_again(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(ONE)
    known = await asyncio.to_thread(tokens, api_read_token_file=file)
    following = asyncio.create_task(known.run(0.01))
    file.write_text(TWO)
    while may_change(known, TWO) is None:
        await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.wait([following])


@pytest.mark.parametrize("spoil", ["gone", "half", "binary"])
def test_a_file_that_cannot_be_used_leaves_the_former_tokens(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(ONE)
    known = tokens(api_token_file=file)
    if spoil == "gone":
        file.unlink()
    elif spoil == "half":
        file.write_text(TWO[:5])
    else:
        file.write_bytes(b"\xff\xfe\x00")
    with capture_logs() as lines:
        known.look()
    assert may_change(known, ONE)
    assert [line["log_level"] for line in lines] == ["error"]
    assert not any(secret in str(lines) for secret in (ONE, TWO[:5]))


def test_a_file_without_a_token_takes_all_back(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(ONE)
    known = tokens(api_token_file=file)
    file.write_text("# none\n")
    with capture_logs() as lines:
        known.look()
    assert may_change(known, ONE) is None
    assert lines[-1]["event"] == "there is no token of the API left: nobody may use it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no token in it"),
        ("# nothing yet", "there is no token in it"),
        ("short", "fewer than 16 characters"),
        ("has-an-ümlaut-and-more", "no header's token has"),
        ("a=b-is-not-a-token-of-rfc6750", "no header's token has"),
    ],
)
def test_what_is_no_token_is_refused_without_being_shown(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{text}\n")
    with pytest.raises(ConfigurationError) as refused:
        tokens(api_token_file=file)
    (problem,) = refused.value.problems
    assert message in problem.message
    assert problem.source == str(file)
    assert problem.member == "PROCESSOR_API_TOKEN_FILE"
    assert not text or text not in str(problem)


def test_a_token_that_may_change_is_none_that_may_only_read() -> None:
    with pytest.raises(ConfigurationError, match="PROCESSOR_API_READ_TOKEN"):
        tokens(api_token=ONE, api_read_token=ONE)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file"):
        tokens(api_read_token_file=tmp_path / "absent")
