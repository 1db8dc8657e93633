"""What may be said of an outcome, and who takes it."""

from collections.abc import Callable
from typing import Any, Protocol, Required, TypedDict, TypeVar, Unpack

Receipt_co = TypeVar("Receipt_co", covariant=True)
Receipt = TypeVar("Receipt")


class Signals(TypedDict, total=False):
    """What may be said of an outcome beside `started`; `None` is the same as leaving it out."""

    completed: bool | None
    time_to_start: float | None
    """Seconds."""
    flow_state: bool | None
    satisfaction: float | None
    """0 to 1."""
    final: bool | None
    """False: a staged report, which a later one may replace."""
    step: int | None
    """Orders staged reports, 0 to 255."""
    metadata: dict[str, Any] | None


class Outcome(Signals, total=False):
    """One item of `report_outcomes`."""

    request_id: Required[str]
    started: Required[bool]


class Reports(Protocol[Receipt_co]):
    """The client that a context came from."""

    def report_outcome(self, request_id: str, *, started: bool, **signals: Unpack[Signals]) -> Receipt_co: ...

    def report_outcome_background(
        self, request_id: str, *, started: bool, **signals: Unpack[Signals]
    ) -> bool: ...

    def report_outcome_later(self, request_id: str, delay_s: float, ask: Callable[[], Any]) -> None: ...
