"""Whether functions write to the tape."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any

recording = True


class grad_mode(ContextDecorator):
    """Whether functions write to the tape within a `with`, or in a decorated function."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.before: list[bool] = []

    def __enter__(self) -> None:
        global recording
        self.before.append(recording)
        recording = self.mode

    def __exit__(self, *error: object) -> None:
        global recording
        recording = self.before.pop()


class set_grad_enabled(grad_mode):
    """Whether functions write to the tape from now on; or within a `with`, or in a decorated function."""

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        super().__enter__()

    def __enter__(self) -> None:
        """It has begun."""

    def __call__(self, f: Any) -> Any:
        self.__exit__()
        return grad_mode(self.mode)(f)


def no_grad(f: Callable[..., Any] | None = None) -> Any:
    """Write nothing to the tape: within a `with`, or in a decorated function."""
    return grad_mode(False) if f is None else grad_mode(False)(f)


def enable_grad(f: Callable[..., Any] | None = None) -> Any:
    """Write to the tape, within `no_grad` too."""
    return grad_mode(True) if f is None else grad_mode(True)(f)


def is_grad_enabled() -> bool:
    """Whether functions write to the tape now."""
    return recording
