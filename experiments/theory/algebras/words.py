"""Formulas in words, as they stand in notes: what is printed is what was computed, since both are the same formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from experiments.theory.algebras.base import Algebra

# How tightly an expression holds together: a + b, A ⊙ B, AB, tr(A), A.
SUM, PAIR, PRODUCT, CALL, ATOM = range(5)
SUPERSCRIPTS = ("ᵀ", "¹")
SUBSCRIPTS = str.maketrans("mnkp", "ₘₙₖₚ")


@dataclass(frozen=True)
class Word:
    """An expression as text, and its shape in letters: AB, (m, k)."""

    text: str
    shape: tuple[str, str]
    binding: int = ATOM
    turned: Word | None = None

    def __matmul__(self, other: Word) -> Word:
        if self.shape[1] != other.shape[0]:
            raise ValueError(f"{self} times {other}; inner axes should be the same")
        left, right = self.within(PRODUCT), other.within(PRODUCT)
        moves = right.lstrip("(").startswith("d") or left.split(" ")[-1].lstrip("(").startswith("d")
        between = " " if CALL in (self.binding, other.binding) or moves else ""
        return Word(left + between + right, (self.shape[0], other.shape[1]), PRODUCT)

    def __str__(self) -> str:
        return f"{self.text} ({', '.join(self.shape)})"

    def _like(self, other: Word) -> None:
        if self.shape != other.shape:
            raise ValueError(f"{self} beside {other}; should have the same axes")

    def __add__(self, other: Word) -> Word:
        self._like(other)
        return Word(f"{self.text} + {other.text}", self.shape, SUM)

    def __sub__(self, other: Word) -> Word:
        self._like(other)
        return Word(f"{self.text} − {other.within(PAIR)}", self.shape, SUM)

    def __neg__(self) -> Word:
        return Word(f"−{self.within(PAIR)}", self.shape, SUM)

    def __mul__(self, other: Word) -> Word:
        if self.shape == ("1", "1"):
            return Word(f"{self.within(PRODUCT)} {other.within(PRODUCT)}", other.shape, PRODUCT)
        self._like(other)
        return Word(f"{self.within(PRODUCT)} ⊙ {other.within(PRODUCT)}", self.shape, PAIR)

    def __rmul__(self, factor: float) -> Word:
        return Word(f"{factor:g}{self.within(PRODUCT)}", self.shape, PRODUCT)

    @property
    def T(self) -> Word:
        base = self.within(ATOM)
        base = f"({base})" if base.endswith(SUPERSCRIPTS) or base.startswith("d") else base
        return self.turned or Word(f"{base}ᵀ", self.shape[::-1], turned=self)

    def within(self, binding: int) -> str:
        """The text, in parentheses where it would fall apart in an expression that binds so tightly."""
        return self.text if self.binding >= binding else f"({self.text})"


class Words(Algebra):
    """The operations."""

    def called(self, name: str, M: Word) -> Word:
        return Word(name, M.shape)

    def differential(self, F: Callable[..., Word], pairs: list[tuple[Word, Word]]) -> Word:
        value = F(*(M for M, _ in pairs))
        text = f"d {value.text}" if value.binding == CALL else f"d({value.text})"
        return Word(text, value.shape, CALL)

    def partials(self, f: Callable[[Word], Word], M: Word) -> Word:
        value = f(M).text
        name, _, inner = value.partition("(")
        if inner == f"{M.text})":
            return Word(f"∂{name}/∂{M.text}" if M.binding == ATOM else f"{name}′({M.text})", M.shape, CALL)
        return Word(f"∂{value}/∂{M.text}", M.shape, CALL)

    def jacobian(self, F: Callable[[Word], Word], M: Word) -> Word:
        of, by = self.vec(F(M)), self.vec(M)
        return Word(f"∂{of.text}/∂{by.text}", (of.shape[0], by.shape[0]), CALL)

    def tr(self, M: Word) -> Word:
        if M.shape[0] != M.shape[1]:
            raise ValueError(f"tr {M}; should be square")
        return _call("tr", M)

    def total(self, M: Word) -> Word:
        return _call("Σ", M)

    def inv(self, M: Word) -> Word:
        return Word(f"{M.within(ATOM)}⁻¹", M.shape)

    def det(self, M: Word) -> Word:
        return _call("det ", M)

    def log_det(self, M: Word) -> Word:
        return Word(f"log ∣det {M.text}∣", ("1", "1"), CALL)

    def exp(self, M: Word) -> Word:
        return Word(f"exp({M.text})", M.shape, CALL)

    def softmax(self, H: Word) -> Word:
        return Word(f"softmax({H.text})", H.shape, CALL)

    def log_sum_exp(self, H: Word) -> Word:
        return Word(f"Σ log Σ exp({H.text})", ("1", "1"), CALL)

    def kron(self, A: Word, B: Word) -> Word:
        return Word(
            f"{A.within(PRODUCT)} ⊗ {B.within(PRODUCT)}", (A.shape[0] + B.shape[0], A.shape[1] + B.shape[1]), PAIR
        )

    def vec(self, M: Word) -> Word:
        text = f"vec({M.text})" if M.binding < ATOM else f"vec {M.text}"
        return Word(text, (M.shape[1] + M.shape[0], "1"), CALL)

    def eye(self, length: str) -> Word:
        return Word(f"I{length.translate(SUBSCRIPTS)}", (length, length))

    def commutation(self, rows: str, columns: str) -> Word:
        letters = (rows + columns).translate(SUBSCRIPTS)
        return Word(f"K{letters}", (rows + columns, columns + rows))

    def share(self, M: Word) -> Word:
        return Word(f"1/{M.shape[0]}", ("1", "1"))

    def smooth(self, M: Word, name: str = "f") -> Word:
        return Word(f"{name}({M.text})", ("1", "1"), CALL)


def _call(name: str, M: Word) -> Word:
    text = f"{name}{M.text}" if M.binding == ATOM and name[-1] == " " else f"{name.strip()}({M.text})"
    return Word(text, ("1", "1"), CALL)
