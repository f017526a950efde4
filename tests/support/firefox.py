"""Hands on a page of Debian's Firefox, by its own WebDriver BiDi: nothing that drives it is downloaded."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.support.bidi import Bidi, BidiRefused, bidi_session
from tests.support.hands import LOOK_AGAIN_S, WITHIN_S
from tests.support.needs import program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_KEYS: Final = {
    "Tab": "\ue004",
    "Shift": "\ue008",
    "Control": "\ue009",
    "Enter": "\ue007",
    "Space": " ",
    "Escape": "\ue00c",
    "Backspace": "\ue003",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
}
"""As WebDriver numbers them."""
_FIELDS: Final = ("textbox", "searchbox", "combobox", "spinbutton")
_IS_READY: Final = """(part) => {
  if (part.matches(":disabled, [aria-disabled=true]")) return false;
  part.scrollIntoView({ block: "center", inline: "nearest" });
  const { left, top, width, height } = part.getBoundingClientRect();
  const there = document.elementFromPoint(left + width / 2, top + height / 2);
  return there !== null && (part === there || part.contains(there) || there.contains(part));
}"""
"""Enabled, in view, and under nothing else."""
_CHOOSE: Final = """(list, label) => {
  const option = [...list.options].find((each) => each.label === label && !each.disabled);
  if (!option) return false;
  list.value = option.value;
  list.dispatchEvent(new Event("input", { bubbles: true }));
  list.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}"""


class FirefoxHands:
    """One tab of Firefox."""

    def __init__(self, bidi: Bidi, tab: str, problems: list[str]) -> None:
        self.problems = problems
        self._bidi = bidi
        self._tab = tab

    async def open(self, url: str) -> None:
        await self._bidi.command("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    async def press(self, role: str, name: str) -> None:
        await self._click(await self._ready(name, [_called(role, name)]))

    async def confirm(self, name: str) -> None:
        asked = {"type": "xpath", "value": f'//dialog[@open]//button[normalize-space()="{name}"]'}
        await self._click(await self._ready(name, [asked]))

    async def unfold(self, name: str) -> None:
        await self._click(await self._ready(name, [_folded(name)]))

    async def write(self, name: str, text: str) -> None:
        part = await self._ready(name, [*(_called(role, name) for role in _FIELDS), _secret(name)])
        await self._click(part)
        await self._strokes([*_down("Control"), *_stroke("a"), *_up("Control"), *_stroke("Backspace")])
        await self._strokes([stroke for character in text for stroke in _stroke(character)])

    async def choose(self, name: str, option: str) -> None:
        part = await self._ready(name, [_called("combobox", name)])
        while not await self._result(_CHOOSE, part, {"type": "string", "value": option}):
            await asyncio.sleep(LOOK_AGAIN_S)

    async def text(self) -> str:
        told = await self._bidi.command(
            "script.evaluate",
            expression="document.body.innerText",
            target={"context": self._tab, "sandbox": "tests"},
            awaitPromise=False,
        )
        text: str = told["result"]["value"]
        return text

    async def keys(self, *names: str) -> None:
        for name in names:
            *held, last = name.split("+") if len(name) > 1 else [name]
            downs = [stroke for each in held for stroke in _down(each)]
            ups = [stroke for each in reversed(held) for stroke in _up(each)]
            await self._strokes([*downs, *_stroke(last), *ups])

    async def called(self, function: str, *texts: str) -> Any:
        """What a function returns that is called in the page, or what it promises; it sees the page, and not its scripts."""
        told = await self._bidi.command(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": text} for text in texts],
            target={"context": self._tab, "sandbox": "tests"},
            awaitPromise=True,
        )
        assert told["type"] == "success", told
        return told["result"].get("value")

    async def frames(self, expression: str) -> list[Any]:
        """What an expression comes to in each frame of the page, as far as these have come."""
        tree = await self._bidi.command("browsingContext.getTree", root=self._tab)
        found = []
        for frame in tree["contexts"][0]["children"]:
            told = await self._bidi.command(
                "script.evaluate",
                expression=expression,
                target={"context": frame["context"], "sandbox": "tests"},
                awaitPromise=False,
            )
            found.append(told["result"]["value"])
        return found

    async def _ready(self, name: str, ways: list[dict[str, Any]]) -> dict[str, Any]:
        """The one part that is found in one of these ways, once a person could use it."""
        found: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    found = [part for way in ways for part in await self._parts(way)]
                    if len(found) == 1 and await self._is_ready(found[0]):
                        return found[0]
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            there = f"there are {len(found)} of {name!r}, and not one that can be used"
            raise AssertionError(f"{there}:\n{await self.text()}") from None

    async def _parts(self, way: dict[str, Any]) -> list[dict[str, Any]]:
        told = await self._bidi.command("browsingContext.locateNodes", context=self._tab, locator=way)
        return [{"sharedId": node["sharedId"]} for node in told["nodes"]]

    async def _is_ready(self, part: dict[str, Any]) -> bool:
        try:
            return bool(await self._result(_IS_READY, part))
        except BidiRefused as error:
            if error.code not in {"no such node", "stale element reference"}:
                raise
            return False  # the page has made it anew

    async def _result(self, function: str, *arguments: dict[str, Any]) -> Any:
        told = await self._bidi.command(
            "script.callFunction",
            functionDeclaration=function,
            arguments=list(arguments),
            target={"context": self._tab, "sandbox": "tests"},
            awaitPromise=False,
        )
        assert told["type"] == "success", told
        return told["result"].get("value")

    async def _click(self, part: dict[str, Any]) -> None:
        place = {"type": "pointerMove", "x": 0, "y": 0, "origin": {"type": "element", "element": part}}
        press = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        await self._act({"type": "pointer", "id": "mouse", "actions": [place, *press]})

    async def _strokes(self, strokes: list[dict[str, str]]) -> None:
        await self._act({"type": "key", "id": "keyboard", "actions": strokes})

    async def _act(self, source: dict[str, Any]) -> None:
        await self._bidi.command("input.performActions", context=self._tab, actions=[source])


def _called(role: str, name: str) -> dict[str, Any]:
    return {"type": "accessibility", "value": {"role": role, "name": name}}


def _folded(name: str) -> dict[str, Any]:
    return {"type": "xpath", "value": f'//summary[normalize-space()="{name}"]'}


def _secret(name: str) -> dict[str, Any]:
    """A field whose text is hidden: it has no role, so it is found by its label."""
    label = f'//label[normalize-space()="{name}"]'
    return {"type": "xpath", "value": f'//input[@type="password"][@id={label}/@for]'}


def _down(key: str) -> list[dict[str, str]]:
    return [{"type": "keyDown", "value": _KEYS.get(key, key)}]


def _up(key: str) -> list[dict[str, str]]:
    return [{"type": "keyUp", "value": _KEYS.get(key, key)}]


def _stroke(key: str) -> list[dict[str, str]]:
    return [*_down(key), *_up(key)]


@asynccontextmanager
async def firefox(profile: Path, origin: str) -> AsyncIterator[FirefoxHands]:
    """A Firefox with a new profile, and one tab of it; what it asks of others than `origin` is a problem."""
    profile.mkdir()
    process = await asyncio.create_subprocess_exec(
        program("firefox-esr"),
        *("--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said: asyncio.Queue[str] = asyncio.Queue()
    told = asyncio.create_task(_drained(process.stderr, said), name="firefox")
    try:
        async with asyncio.timeout(WITHIN_S):
            url = await said.get()
        problems: list[str] = []

        def heard(event: str, told: dict[str, Any]) -> None:
            if event == "log.entryAdded" and told["level"] == "error":
                problems.append(told["text"])
            if event == "network.beforeRequestSent" and not _is_of(told["request"]["url"], origin):
                problems.append(f"asked for {told['request']['url']}")

        async with bidi_session(url, heard) as bidi:
            tab = (await bidi.command("browsingContext.create", type="tab"))["context"]
            await bidi.command(
                "session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"], contexts=[tab]
            )
            yield FirefoxHands(bidi, tab, problems)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await told


def _is_of(url: str, origin: str) -> bool:
    # Firefox draws some parts of its own from data.
    return url.startswith((f"{origin}/", "about:", "data:"))


async def _drained(stream: asyncio.StreamReader, said: asyncio.Queue[str]) -> None:
    """Read to the end, and put the WebSocket's URL, which Firefox writes there."""
    while line := await stream.readline():
        found = re.search(rb"WebDriver BiDi listening on (ws://\S+)", line)
        if found:
            said.put_nowait(found[1].decode())
