"""When a ticket is settled."""

from __future__ import annotations

import asyncio

import pytest

from processor.kinesis.ticket import Rejection, Ticket
from tests.support.kinesis_writer import export
from tests.support.virtual_time import run_in_virtual_time


async def is_settled(ticket: Ticket) -> bool:
    waiting = asyncio.create_task(ticket.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    return waiting.done()


@pytest.mark.parametrize("exports", [0, 1, 3])
def test_a_ticket_is_settled_when_every_export_is(exports: int) -> None:
    async def world() -> None:
        ticket = Ticket([export(profile, 0) for profile in range(exports)])
        for left in range(exports, 0, -1):
            assert (ticket.unsettled, await is_settled(ticket)) == (left, False)
            Ticket.settle([ticket])
        assert (ticket.unsettled, await is_settled(ticket)) == (0, True)
        assert await ticket.wait() == []

    run_in_virtual_time(world())


def test_several_exports_of_several_tickets_are_settled_at_once() -> None:
    async def world() -> None:
        one, other = Ticket([export(1, 0), export(2, 0)]), Ticket([export(3, 0), export(4, 0)])
        Ticket.settle([one, other, one])
        assert (one.unsettled, other.unsettled) == (0, 1)
        assert (await is_settled(one), await is_settled(other)) == (True, False)

    run_in_virtual_time(world())


def test_who_waits_is_given_what_was_rejected() -> None:
    async def world() -> None:
        ticket = Ticket([export(1, 0), export(2, 0)])
        ticket.reject(1, "ValidationException")
        assert not await is_settled(ticket)
        Ticket.settle([ticket, ticket])
        assert await ticket.wait() == [Rejection(1, "ValidationException")]

    run_in_virtual_time(world())


def test_an_abandoned_ticket_is_not_settled() -> None:
    async def world() -> None:
        ticket = Ticket([export(1, 0)])
        ticket.abandon()
        assert ticket.is_abandoned
        assert not await is_settled(ticket)

    run_in_virtual_time(world())
