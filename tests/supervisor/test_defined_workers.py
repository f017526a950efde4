"""Workers under a definition that comes, changes and goes while their parent runs."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from processor.configuration import Files
from processor.definition.model import Definition, Resource
from processor.errors import ConfigurationError, DefinitionUnavailable, Problem
from processor.supervisor.defined_workers import DefinedWorkers
from processor.supervisor.workers import RestartPolicy, Workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from processor.service.messages import Handover
    from tests.supervisor.conftest import StandIn


NO_FLOW = "nothing is exported: there is no dataflow"
DISABLED = "nothing is exported: the dataflow f is disabled"
SELECTOR = {"type": "PLATFORM_SEGMENT", "value": {"id": "one"}}
MAPPED: dict[str, Any] = {"transformations": [{"params": {"segmentSelectors": {"selectors": [SELECTOR]}}}]}

QUICK = RestartPolicy(
    base_s=0.01, max_s=0.02, steady_after_s=60, max_deaths=3, answer_s=0.05, first_answer_s=0.05
)


class Defined:
    """Definitions as a test makes them, one after the other; None until the first is known."""

    def __init__(self) -> None:
        self.newest: Definition | None = None
        self._news = asyncio.Event()

    def define(self, **flow: Any) -> None:
        """A new version: with a flow of these members, or without one."""
        version = 0 if self.newest is None else self.newest.version + 1
        made = Resource("flows", "f", {**MAPPED, **flow}, f"e{version}", 0, 0, "", "")
        self.newest = replace(Definition(version), resources={("flows", "f"): made} if flow else {})
        news, self._news = self._news, asyncio.Event()
        news.set()

    def current(self) -> Definition:
        if self.newest is None:
            raise DefinitionUnavailable("Kafka does not answer")
        return self.newest

    async def newer(self, version: int) -> Definition:
        while self.newest is None or self.newest.version == version:
            await self._news.wait()
        return self.newest


def derived(definition: Definition) -> Files:
    """Files of one segment, named as the flow says, in the stream it says; the flow may have another problem."""
    (flow,) = definition.of("flows")
    body = {"stream": "exports", "segment": "one", "url": "http://localhost:1", **flow.body}
    if "fault" in body:
        raise ZeroDivisionError
    if "problem" in body:
        raise ConfigurationError([Problem("flows/f", None, "/name", str(body["problem"]), "Mend it")])
    text = (
        f"name: n\nstream: {body['stream']}\nmarketingActions: []\nsegments: [{{id: {body['segment']}}}]\nattributes: []\n"
        f"connection: {{region: eu-west-1, connectionUrl: '{body['url']}'}}\n"
    )
    return Files((text, "flows/f"), None, [])


@asynccontextmanager
async def running(
    stand_in: StandIn, defined: Defined, *kinds: str, stop_timeout_s: float = 20
) -> AsyncIterator[DefinedWorkers]:
    """Workers of these kinds, under what is defined; they end in order."""

    def begin(handover: Callable[[], Handover]) -> Workers:
        commands = [stand_in.command(kind) for kind in kinds or ("listens",)]
        return Workers(commands, handover, stop_timeout_s, QUICK)

    workers, stop = DefinedWorkers(begin, defined.current, defined.newer, derived), asyncio.Event()
    task = asyncio.create_task(workers.run(stop))
    try:
        yield workers
    finally:
        stop.set()
        assert await task == 0


async def noticed(workers: DefinedWorkers, notice: str | None) -> None:
    while (await workers.ask()).notice != notice:
        await asyncio.sleep(0.01)


async def conditions_have(workers: DefinedWorkers, text: str) -> None:
    while not any(text in why for why in (await workers.ask()).conditions.values()):
        await asyncio.sleep(0.01)


async def heard(stand_in: StandIn, text: str, life: int = 0) -> None:
    while len(found := stand_in.heard()) <= life or text.encode() not in found[life]:
        await asyncio.sleep(0.01)


async def test_nothing_runs_and_it_is_not_ready_until_it_is_known_what_is_defined(stand_in: StandIn) -> None:
    defined = Defined()
    async with running(stand_in, defined) as workers:
        fleet = await workers.ask()
        assert fleet.conditions == {"definition": "Kafka does not answer"}
        assert fleet.observations == []
        defined.define()
        await noticed(workers, NO_FLOW)
        assert (await workers.ask()).conditions == {}
    assert stand_in.lives == []


async def test_workers_run_from_the_first_flow_on_and_follow_each_change(stand_in: StandIn) -> None:
    defined = Defined()
    defined.define()
    async with running(stand_in, defined, "listens", "listens") as workers:
        defined.define(segment="one")
        for life in (0, 1):
            await heard(stand_in, "{id: one}", life)
        assert (await workers.ask()).notice is None
        defined.define(segment="two")
        for life in (0, 1):
            await heard(stand_in, "{id: two}", life)
    assert len(stand_in.lives) == 2
    assert stand_in.ends == 2


@pytest.mark.parametrize(("flow", "notice"), [({"state": "disabled"}, DISABLED), ({}, NO_FLOW)])
async def test_workers_drain_once_the_flow_is_disabled_or_deleted_and_begin_anew_with_it(
    stand_in: StandIn, flow: dict[str, Any], notice: str
) -> None:
    defined = Defined()
    defined.define(state="enabled")
    async with running(stand_in, defined) as workers:
        await heard(stand_in, "{id: one}")
        defined.define(**flow)
        await noticed(workers, notice)
        while stand_in.ends < 1:
            await asyncio.sleep(0.01)
        defined.define(state="enabled", segment="three")
        await heard(stand_in, "{id: three}", 1)
        assert (await workers.ask()).notice is None
    assert stand_in.ends == 2


async def test_what_workers_cannot_take_under_way_has_them_drained_and_started_anew(
    stand_in: StandIn,
) -> None:
    defined = Defined()
    defined.define(stream="exports")
    async with running(stand_in, defined):
        await heard(stand_in, "stream: exports")
        defined.define(stream="others")
        await heard(stand_in, "stream: others", 1)
        assert b"others" not in stand_in.heard()[0]
        assert stand_in.ends == 1


async def test_a_definition_that_cannot_be_followed_here_is_told_and_the_former_goes_on(
    stand_in: StandIn,
) -> None:
    defined = Defined()
    defined.define(segment="one")
    async with running(stand_in, defined) as workers:
        await heard(stand_in, "{id: one}")
        defined.define(problem="there is no key to open it with")
        await heard(stand_in, "there is no key to open it with")
        assert (await workers.ask()).conditions == {}
        # A worker that dies is started with the former, and knows what is wrong with the newest.
        while not (pids := workers.pids):
            await asyncio.sleep(0.01)
        os.kill(pids[0], signal.SIGKILL)
        await heard(stand_in, "there is no key to open it with", 1)
        assert b"{id: one}" in stand_in.heard()[1]
        defined.define(segment="two")
        await heard(stand_in, "{id: two}", 1)


async def test_where_nothing_ran_before_it_keeps_the_process_from_being_ready(stand_in: StandIn) -> None:
    defined = Defined()
    defined.define(problem="there is no key to open it with")
    async with running(stand_in, defined) as workers:
        await conditions_have(workers, "flows/f: /name: there is no key to open it with. Mend it")
        assert stand_in.lives == []
        defined.define(segment="one")
        await heard(stand_in, "{id: one}")
        assert (await workers.ask()).conditions == {}


async def test_workers_that_cannot_work_are_told_in_their_own_words_and_tried_again_with_the_next_change(
    stand_in: StandIn,
) -> None:
    defined = Defined()
    (stand_in.home / "refused").touch()
    defined.define(stream="others")
    async with running(stand_in, defined, "while-refused") as workers:
        await conditions_have(workers, "the state is of another stream")
        assert len(stand_in.lives) == 1
        (stand_in.home / "refused").unlink()
        defined.define(stream="exports")
        await heard(stand_in, "stream: exports")
        assert (await workers.ask()).conditions == {}


async def test_workers_that_die_again_and_again_do_not_end_the_process_either(stand_in: StandIn) -> None:
    defined = Defined()
    defined.define(stream="others")
    async with running(stand_in, defined, "3") as workers:
        await conditions_have(workers, "a worker dies again and again")
        assert len(stand_in.lives) == 3
        workers.look_again()
        await stand_in.until_lives(6)


async def test_what_leads_to_other_files_on_this_machine_is_taken_when_it_is_looked_at_again(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined = Defined()
    defined.define(segment="one")
    async with running(stand_in, defined) as workers:
        await heard(stand_in, "{id: one}")
        assert defined.newest is not None
        defined.newest.find("flows", "f").body["segment"] = "two"  # type: ignore[union-attr,index]
        workers.look_again()
        await heard(stand_in, "{id: two}")
    assert len(stand_in.lives) == 1


async def test_a_fault_in_following_a_definition_is_told_and_ends_neither_the_process_nor_the_workers(
    stand_in: StandIn,
) -> None:
    defined = Defined()
    defined.define(fault=True)
    async with running(stand_in, defined) as workers:
        await conditions_have(
            workers, "version 0 cannot be followed by a fault of the processor (ZeroDivisionError)"
        )
        defined.define(segment="one")
        await heard(stand_in, "{id: one}")
        defined.define(fault=True)
        await heard(stand_in, "version 2 cannot be followed by a fault")
        assert stand_in.ends == 0
