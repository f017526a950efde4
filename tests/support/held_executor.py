"""An executor whose threads are as slow as a test says."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class HeldExecutor(Executor):
    """Holds each call until the test has it done, or fail; it is done by who asks for that."""

    def __init__(self) -> None:
        self._held: deque[tuple[Future[Any], str, Callable[[], Any]]] = deque()

    def submit(
        self, fn: Callable[_Parameters, _Result], /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> Future[_Result]:
        future = Future[_Result]()
        self._held.append((future, fn.__name__, lambda: fn(*args, **kwargs)))
        return future

    @property
    def first(self) -> str | None:
        """The name of what is held first; None where nothing is held."""
        return self._held[0][1] if self._held else None

    def go_on(self, error: Exception | None = None) -> None:
        """Have the call that was held first done; or end it with `error`, undone."""
        future, _, call = self._held.popleft()
        if not future.set_running_or_notify_cancel():
            return
        if error is not None:
            future.set_exception(error)
            return
        try:
            future.set_result(call())
        except Exception as raised:  # noqa: BLE001  whoever asked for the call sees it
            future.set_exception(raised)
