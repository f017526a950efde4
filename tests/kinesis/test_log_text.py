"""What others say, made fit for a log line."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.kinesis.log_text import MESSAGE_MAX, line, page_title, redacted

ROLE = "arn:aws:sts::123456789012:assumed-role/a-role-with-a-long-name-of-its-own/i-0123456789abcdef0"


def test_a_denial_is_kept_word_by_word() -> None:
    text = f"User: {ROLE} is not authorized to perform: kinesis:PutRecords because no VPC endpoint policy allows it"
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Value 'ann@example.org' at 'records.1' failed: length", "Value '…' failed: length"),
        ("Value 'o'brien' at 'records.1' failed", "Value '…' failed"),
        ('cannot parse "{"person":"Ann"}" here', "cannot parse '…' here"),
        ("the stream doesn't exist, and you can't write", "the stream doesn't exist, and you can't write"),
        ("should have been\n'POST\n/\nx-amz-security-token:abc'", "should have been '…'"),
    ],
)
def test_quoted_values_are_left_out(text: str, expected: str) -> None:
    assert redacted(text) == expected


@given(st.binary(min_size=30, max_size=200))
def test_what_may_be_a_record_or_a_secret_is_left_out(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    assert redacted(f"cannot read {encoded} at 3") == "cannot read … at 3"
    assert line(f"cannot read {encoded} at 3") == "cannot read … at 3"


@given(st.text(min_size=4, max_size=300), st.text(max_size=20), st.text(max_size=20))
def test_what_is_hidden_is_not_reported(key: str, before: str, after: str) -> None:
    assert key not in redacted(f"{before}{key}{after}", [key]) or key in redacted(before + "…" + after)


@given(st.text(max_size=3_000))
def test_a_message_is_one_bounded_line_without_control_characters(text: str) -> None:
    for found in (redacted(text), line(text)):
        assert len(found) <= MESSAGE_MAX
        assert all(c.isprintable() for c in found)


def test_a_url_is_reported_unless_it_may_hold_a_secret() -> None:
    assert line("no way to http://127.0.0.1:51679/a/rather/long/path/to/credentials") == (
        "no way to http://127.0.0.1:51679/a/rather/long/path/to/credentials"
    )
    assert "secret" not in line("no way to https://user:secret@proxy.example.org:8080/and/so/on")
    assert "secret" not in line("no way to https://example.org/path/to/it?token=secret-secret-secret")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<html><head><title>413 Request Entity Too Large</title>", "413 Request Entity Too Large"),
        (b"<TITLE lang=en>\n Access\x00 Denied </TITLE>", "Access Denied"),
        (b"<title>\xff\xfe</title>", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"<title>" + b"QUJD" * 20 + b"</title>", "…"),
        (b"<html>no title</html>", ""),
        (b"", ""),
    ],
)
def test_a_pages_title_says_whose_it_is(body: bytes, expected: str) -> None:
    assert page_title(body) == expected
