"""A body in its form, or refused with what is wrong where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import ValidationError

from processor.api.errors import Wrong, invalid
from processor.api.own.bodies import Form
from processor.flow_service.findings import pointer

if TYPE_CHECKING:
    from processor.flow_service.documents import Json

_TOLD_MAX: Final = 20
_Form = TypeVar("_Form", bound=Form)


def fitted(form: type[_Form], body: Json) -> _Form:
    """The body as `form`.

    Raises:
        ApiError: it does not fit (400).

    """
    try:
        return form.model_validate(body)
    except ValidationError as error:
        # Without what was given, which may be a secret.
        details = error.errors(include_url=False, include_input=False, include_context=False)
        wrong = [Wrong(pointer(*each["loc"]), each["msg"]) for each in details[:_TOLD_MAX]]
        more = "" if len(details) == 1 else f", and {len(details) - 1} more"
        raise invalid(f"{wrong[0]}{more}", wrong) from None
