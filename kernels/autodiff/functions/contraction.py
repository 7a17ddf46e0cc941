"""Sums over named axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tape import Derivative
    from kernels.autodiff.tensor import Tensor


def einsum(equation: str, *operands: Any) -> Tensor:
    """Einstein's sum: `einsum("mn,nk->mk", X, W)` multiplies, and sums over every letter that the result has not.

    Each letter stands once in an operand. Without `->` the result has the letters that occur once, in their alphabet's order.
    """
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    letters = "".join(terms)
    if not arrow:
        output = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    odd = [letter for letter in set(letters + output) if not letter.isalpha()]
    if odd or any(len(set(term)) < len(term) for term in (*terms, output)) or not set(output) <= set(letters):
        raise ValueError(
            f"equation: {equation!r}; should be letters, each once in an operand, as 'mn,nk->mk', and some of them in the result"
        )
    if len(terms) != len(operands):
        raise ValueError(f"equation: {equation!r} has {len(terms)} operands; {len(operands)} were given")
    return _einsum(*operands, terms=terms, output=output)


@function
def _einsum(*tensors: Tensor, terms: list[str], output: str) -> Ruled:
    def derivative(i: int) -> Derivative:
        others = [*terms[:i], *terms[i + 1 :]]
        known = set(output).union(*others)
        seen = "".join(letter for letter in terms[i] if letter in known)  # along the rest it is the same
        shape = [length if letter in known else 1 for letter, length in zip(terms[i], tensors[i].shape, strict=True)]

        def part(g: Tensor, _: Tensor) -> Tensor:
            along = _einsum(g, *tensors[:i], *tensors[i + 1 :], terms=[output, *others], output=seen)
            return along.reshape(shape).broadcast_to(tensors[i].shape)

        return part

    value = np.einsum(f"{','.join(terms)}->{output}", *(tensor.array for tensor in tensors), optimize=True)
    return np.asarray(value), tuple(map(derivative, range(len(tensors))))
