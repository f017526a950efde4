"""A change as it would be made, with nothing kept: what it would be refused with, or what it would do to a sample of profiles."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import parse_qs

from processor.api.errors import Wrong, invalid
from processor.api.matching import Table
from processor.api.own.bodies import PreviewBody
from processor.api.own.forms import fitted
from processor.api.own.items import shown_items
from processor.api.request import Answer, Occasion, Request
from processor.api.routes import Change
from processor.definition.files import why_idle
from processor.definition.plans import plan_of
from processor.governance.fingerprint import fingerprint
from processor.operations.change_preview import ChangePreview, preview_of_change
from processor.operations.kept_sample import KEPT_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor.api.own.looked_at import LookedAt
    from processor.api.routes import Route
    from processor.api.tokens import Bearer
    from processor.definition.model import Definition
    from processor.flow_service.documents import Json
    from processor.governance.plan import Plan
    from processor.operations.kept_sample import TakenSample


class _Made(NamedTuple):
    """The definition before and after the change, and what the change would be answered."""

    former: Definition
    new: Definition
    answer: Answer


class Previews:
    """Tries changes of the table on the definition in force."""

    def __init__(self, routes: Iterable[Route], looked_at: LookedAt) -> None:
        self._table = Table(route for route in routes if isinstance(route, Change))
        self._looked_at = looked_at

    async def look(self, request: Request, bearer: Bearer) -> Answer:
        """Answer what the change would do; what the change itself would be refused with is raised."""
        former = self._looked_at.definition()
        made = await asyncio.to_thread(self._made, former, request, bearer)
        sample = await self._looked_at.sample.not_older(KEPT_S)
        return await asyncio.to_thread(_answer, made, sample, self._looked_at.backfills)

    def _made(self, former: Definition, request: Request, bearer: Bearer) -> _Made:
        asked = fitted(PreviewBody, request.body)
        path, _, query = asked.path.partition("?")
        match = self._table.find(path)
        if match is None:
            raise invalid(
                "there is no change at this path",
                [Wrong("/path", "no change is made there", "See the API's calls")],
            )
        route = match.by_method.get(asked.method)
        if not isinstance(route, Change):
            raise invalid(
                "there is no such change",
                [
                    Wrong(
                        "/method",
                        f"this path is changed by {', '.join(match.by_method)}",
                        "Give one of these",
                    )
                ],
            )
        values = {name: tuple(each) for name, each in parse_qs(query, keep_blank_values=True).items()}
        given = Request(match.parts, values, asked.body, asked.if_match)
        occasion = Occasion(time.time_ns() // 1_000_000, bearer.name, _new_id)
        return _Made(former, *route.handle(former, given, occasion))


def _answer(made: _Made, taken: TakenSample, mode: Literal["auto", "off"]) -> Answer:
    former, plan = plan_of(made.former), plan_of(made.new)
    read = taken.read
    preview = ChangePreview()
    if plan is not None:
        # A dataflow without a target that it is bound to has exported nothing yet.
        exported_under = None if made.former.bound_to is None else former
        preview = preview_of_change(exported_under, plan, read.latest, time.time_ns() // 1_000_000)
    body = made.answer.body
    report = body.get("report") if isinstance(body, dict) else None
    return Answer(
        body={
            "isChange": made.new is not made.former,
            "report": report or {},
            "idle": why_idle(made.new),
            "items": [] if plan is None else [*shown_items(plan)],
            "sample": {
                "sampledAtMs": taken.at_ms,
                "profiles": read.suggestions.profiles,
                "events": read.suggestions.events,
            },
            "backfill": {"isDue": _is_due(made, former, plan), "mode": mode, **_figures(preview)},
            "exports": [
                {"profile": each.profile, "record": each.record, "isOfBackfill": each.is_of_backfill}
                for each in preview.exports
            ],
        }
    )


def _is_due(made: _Made, former: Plan | None, plan: Plan | None) -> bool | None:
    """Whether the change makes a backfill due; None where that depends on what was exported before the dataflow was idle."""
    if plan is None or why_idle(made.new) is not None or made.former.bound_to is None:
        return False
    if former is None or why_idle(made.former) is not None:
        return None
    return fingerprint(former) != fingerprint(plan)


def _figures(preview: ChangePreview) -> dict[str, Json]:
    return {
        "profiles": preview.profiles,
        "exported": preview.exported,
        "unchanged": preview.unchanged,
        "refused": preview.refused,
        "segments": [
            {
                "namespace": each.namespace,
                "id": each.id,
                "name": each.name,
                "realized": each.realized,
                "existing": each.existing,
                "exited": each.exited,
            }
            for each in preview.segments
        ],
        "removedBy": [
            {"policy": policy, "action": action, "profiles": profiles}
            for policy, action, profiles in preview.removed_by
        ],
    }


def _new_id() -> str:
    # An id that nobody is told; a change may need several.
    return str(uuid.uuid4())
