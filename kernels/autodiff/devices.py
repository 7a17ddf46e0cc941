"""The CPU, under PyTorch's names: `torch.device("cuda" if torch.cuda.is_available() else "cpu")` works, and chooses it."""

from __future__ import annotations

from typing import Any


class device(str):
    """Where tensors are; there is only the CPU here."""

    def __new__(cls, type: str = "cpu") -> device:
        if str(type) != "cpu":
            raise ValueError(f"device: {type!r}; should be 'cpu', there is no other here")
        return super().__new__(cls, type)

    @property
    def type(self) -> str:
        return str(self)


class cuda:
    """GPUs, of which there are none."""

    @staticmethod
    def is_available() -> bool:
        """False"""
        return False


def placed(wanted: Any, dtype: Any = None) -> Any:
    """The type that is asked for by `to(dtype)`, `to(device)` or `to(device, dtype)`, or None."""
    if isinstance(wanted, str) and not wanted.startswith(("float", "int", "bool", "complex", "uint")):
        device(wanted)
        return dtype
    return dtype if wanted is None else wanted
