"""Ctrl-C as a request to end a training, whose result is kept."""

from __future__ import annotations

import signal
import threading
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


class _Request:
    """Handler of SIGINT that lets a training end after its batch; without one, or a second time, it interrupts at once."""

    def __init__(self) -> None:
        self.was_made = False
        self.trainer: Any = None

    def __call__(self, signum: int, frame: Any) -> None:
        if self.trainer is None or self.was_made:
            raise KeyboardInterrupt
        self.was_made, self.trainer.should_stop = True, True


def stop_on_interrupt(trainer: Any) -> None:
    """Let Ctrl-C end this training of Lightning in the call of a function that :func:`interruptible` made."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _Request):
        handler.trainer = trainer


def is_interrupted() -> bool:
    """Whether Ctrl-C was pressed in a training of the call: no other should begin."""
    handler = signal.getsignal(signal.SIGINT)
    return isinstance(handler, _Request) and handler.was_made


def interruptible(function: F) -> F:
    """Make a function whose trainings end on Ctrl-C, and which raises the KeyboardInterrupt when all is as after a training.

    Where a program handles Ctrl-C by itself, and outside of the main thread, the function is as it was.
    """

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return function(*args, **kwargs)
        request = _Request()
        signal.signal(signal.SIGINT, request)
        try:
            result = function(*args, **kwargs)
        except SystemExit as stop:
            # Lightning ends the process on a second Ctrl-C
            if isinstance(stop.__context__, KeyboardInterrupt):
                raise stop.__context__ from None
            raise
        finally:
            # Lightning makes the process deaf to Ctrl-C
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if request.was_made:
            raise KeyboardInterrupt
        return result

    return called  # type: ignore[return-value]
