"""What a request is refused with: its status, what was wrong, and where.

An error is answered in the form that both services have, which is that of RFC 9457: `type`, `title`, `status` and `detail`,
and under `report` what programs read of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.errors import ProcessorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.flow_service.documents import Json


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with a request, or with what it would make.

    `pointer` is a JSON pointer into the request's body; where `of` names another object (`targetConnections/…`), into that
    one. It is empty where the whole is meant.
    """

    pointer: str
    message: str
    remedy: str = ""
    of: str = ""

    def __str__(self) -> str:
        place = f"{self.of}{self.pointer}"
        return ". ".join(filter(None, (f"{place}: {self.message}" if place else self.message, self.remedy)))

    def json(self) -> dict[str, Json]:
        """Its members, those that are empty left out; a pointer is always there."""
        members = {"of": self.of, "pointer": self.pointer, "message": self.message, "remedy": self.remedy}
        return {name: text for name, text in members.items() if text or name == "pointer"}


@dataclass(frozen=True, slots=True)
class Violation:
    """A data policy violation: what the policy `policy` forbids to the marketing action `action`, by which labels, and where."""

    policy: str
    action: str
    labels: tuple[str, ...]
    kind: str
    """`segment`, `attribute` or `identity`."""
    name: str
    where: Wrong | None = None
    """The selector that maps it; None where none does, as with identities."""

    def json(self) -> dict[str, Json]:
        """Its members in camelCase."""
        found: dict[str, Json] = {
            "policyName": self.policy,
            "marketingAction": self.action,
            "labels": list(self.labels),
            "kind": self.kind,
            "name": self.name,
        }
        return found if self.where is None else {**found, "where": self.where.json()}


class ApiError(ProcessorError):
    """A request that is refused, with nothing changed.

    `title` is short and the same for all of its kind; `detail` says what was wrong with this one and what to do. Neither they
    nor `places` may hold a secret: they are answered, and logged.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        places: Sequence[Wrong] = (),
        *,
        violations: Sequence[Violation] = (),
        code: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.headline = title
        self.detail = detail
        self.places = tuple(places)
        self.violations = tuple(violations)
        self.code = code
        """The service's own number for it, where it has published one (`1404-412`)."""
        self.headers: dict[str, str] = dict(headers or {})

    def json(self) -> dict[str, Json]:
        """The answer's body."""
        report: dict[str, Json] = {}
        if self.code:
            report["code"] = self.code
        if self.places:
            report["errors"] = [each.json() for each in self.places]
        if self.violations:
            report["violations"] = [each.json() for each in self.violations]
        return {
            "type": "about:blank",
            "title": self.headline,
            "status": self.status,
            "detail": self.detail,
            "report": report,
        }


def not_found(what: str, id_: str) -> ApiError:
    """There is no object of this id: 404."""
    return ApiError(404, "Not Found", f"there is no {what} with the id {id_!r}")


def invalid(detail: str, places: Sequence[Wrong] = ()) -> ApiError:
    """A request that cannot be carried out as it is: 400."""
    return ApiError(400, "Bad Request", detail, places)


def no_if_match() -> ApiError:
    """A change that has to name the version that it is made from, and does not: 400."""
    return ApiError(
        400,
        "Missing header",
        "the header If-Match is missing: give the etag of the object as it was read, so that no other change is undone",
        code="1403-400",
    )


def other_version(current: str) -> ApiError:
    """A change that was made from another version than the current one: 412."""
    return ApiError(
        412,
        "Version mismatch",
        f"the object was changed meanwhile, its etag is {current}: read it again, and make the change from that",
        code="1404-412",
    )
