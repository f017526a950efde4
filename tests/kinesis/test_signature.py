"""What is sent is signed just as botocore signs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from processor.kinesis.signature import Frame, Signer

REGION = "eu-west-1"
NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
SESSION = ReadOnlyCredentials("ASIAEXAMPLE", "other/secret", "a session's token==")


def frame(action: str = "PutRecords", url: str = "https://kinesis.eu-west-1.amazonaws.com/") -> Frame:
    return Frame(
        url,
        {
            "X-Amz-Target": f"Kinesis_20131202.{action}",
            "Content-Type": "application/x-amz-json-1.1",
            "User-Agent": "Botocore/1.40 processor/0.1.0  md/x",
        },
    )


def by_botocore(
    of: Frame, body: bytes, keys: ReadOnlyCredentials, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: at.replace(tzinfo=None))
    request = AWSRequest("POST", of.url, dict(of.headers), data=body)
    SigV4Auth(keys, "kinesis", REGION).add_auth(request)
    return {name.lower(): str(value) for name, value in request.prepare().headers.items()}


def by_us(signer: Signer, of: Frame, body: bytes, keys: ReadOnlyCredentials, at: datetime) -> dict[str, str]:
    request = signer.signed(of, body, keys, at)
    assert (request.method, request.url, request.body) == ("POST", of.url, body)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["PutRecords", "ListShards"]),
            st.sampled_from(
                [
                    "https://kinesis.eu-west-1.amazonaws.com/",
                    "http://127.0.0.1:4566/",
                    "https://vpce.example:443/",
                    "https://[::1]:8443/behind/a gateway//",
                ]
            ),
            st.sampled_from(["application/x-amz-json-1.1", "application/x-amz-cbor-1.1"]),
            st.binary(max_size=40),
            st.sampled_from([KEYS, SESSION, KEYS._replace(secret_key="rotated")]),
            st.integers(0, 90_000_000),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_calls_are_signed_as_botocore_signs_them(
    calls: list[tuple[str, str, str, bytes, ReadOnlyCredentials, int]],
) -> None:
    by_url: dict[str, Signer] = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for action, url, content_type, body, keys, later_ms in calls:
            at, of = NOON + timedelta(milliseconds=later_ms), frame(action, url).of_type(content_type)
            signed = by_us(by_url.setdefault(url, Signer(REGION)), of, body, keys, at)
            assert signed == by_botocore(of, body, keys, at, monkeypatch)


def test_a_call_of_the_next_day_is_signed_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    signer, midnight = Signer(REGION), datetime(2026, 12, 31, 23, 59, 59, 900_000, tzinfo=UTC)
    for at in (midnight, midnight + timedelta(seconds=1)):
        assert by_us(signer, frame(), b"{}", KEYS, at) == by_botocore(frame(), b"{}", KEYS, at, monkeypatch)


def test_keys_that_change_within_a_second_are_followed_at_once() -> None:
    signer = Signer(REGION)
    first = by_us(signer, frame(), b"{}", KEYS, NOON)
    assert "x-amz-security-token" not in first
    second = by_us(signer, frame(), b"{}", SESSION, NOON)
    assert second["x-amz-security-token"] == SESSION.token
    assert first["authorization"] != second["authorization"]
    assert by_us(signer, frame(), b"{}", KEYS, NOON) == first
