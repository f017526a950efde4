"""The way through the guided pages, step by step, with anybody's hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.defined import TOKEN
from tests.support.guided import KEY_ID, SECRET, STREAM
from tests.support.hands import reads

if TYPE_CHECKING:
    from tests.support.guided import Guided
    from tests.support.hands import Hands

NAME: Final = "Loyalty exports"


async def sign_in(hands: Hands, service: Guided, token: str = TOKEN) -> None:
    """Open the page, and sign in on it."""
    await hands.open(service.url)
    await hands.press("button", "Sign in")
    await hands.write("Token", token)
    await hands.keys("Enter")
    await reads(hands, "Sign out", "Signed in")


async def account(hands: Hands, service: Guided) -> None:
    """From the catalogue to the end of the account's step."""
    await hands.press("link", "Connect")
    await hands.press("button", "Set up")
    await hands.press("radio", "Access key and secret key")
    await hands.unfold("Advanced")
    await give_account(hands, service)


async def give_account(hands: Hands, service: Guided) -> None:
    """The fields of keys, with what is folded open, to the end of the account's step."""
    await hands.write("Access key id", KEY_ID)
    await hands.write("Secret key", SECRET)
    await hands.write("Region", "eu-west-1")
    await hands.write("Endpoint", service.kinesis_url)
    await hands.press("button", "Connect to destination")


async def authentication(hands: Hands, *actions: str) -> None:
    """From the account to the end of the set-up."""
    await name_stream(hands, *actions)
    await hands.press("button", "Create destination")
    await reads(hands, "Connected", NAME, f"its exports go to the stream {STREAM} in eu-west-1")


async def name_stream(hands: Hands, *actions: str) -> None:
    """Fill the second step of the set-up, with these marketing actions beside those that are chosen already."""
    await hands.write("Name", NAME)
    await hands.write("Stream", STREAM)
    await reads(hands, f"The stream {STREAM} is there")
    for action in actions:
        await hands.press("checkbox", action)


async def connect(hands: Hands, service: Guided, *actions: str) -> None:
    """All of the set-up, with these marketing actions."""
    await account(hands, service)
    await authentication(hands, *actions)


async def choose_segments(hands: Hands, *names: str) -> None:
    """On the first step of the activation, go to the second."""
    for name in names:
        await hands.press("checkbox", name)
    await hands.press("button", "Next: attributes")


async def choose_attributes(hands: Hands, *paths: str) -> None:
    """On the second step of the activation, go to the review."""
    for path in paths:
        await hands.press("checkbox", path)
    await hands.press("button", "Next: review")


async def finish(hands: Hands, ends: str = "The backfill is complete") -> str:
    """Of the review, and wait for its end; what can be read then."""
    await reads(hands, "What changes")
    await hands.press("button", "Finish")
    return await reads(hands, "Activated", ends)
