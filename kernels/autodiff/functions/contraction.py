"""Sums over named axes."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.autodiff.functions.selections import index
from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tape import Derivative
    from kernels.autodiff.tensor import Tensor


def einsum(equation: str, *operands: Any) -> Tensor:
    """Einstein's sum: `einsum("mn,nk->mk", X, W)` multiplies, and sums over every letter that the result has not.

    A letter that stands twice in one operand takes its diagonal; `...` stands for the axes that are not named, the same in all.
    Without `->` the result has those, and the letters that occur once, in their alphabet's order.
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"equation: {equation!r} has {len(terms)} operands; {len(operands)} were given")
    named = "".join(terms).replace(".", "")
    if not arrow:
        output = "..." * ("..." in inputs) + "".join(
            sorted(letter for letter in set(named) if named.count(letter) == 1)
        )
    *terms, output = _spelt_out(terms, output, [np.ndim(operand) for operand in operands])
    letters = "".join(terms)
    odd = [letter for letter in {*letters, *output} if not letter.isalpha()]
    if odd or len(set(output)) < len(output) or not set(output) <= set(letters):
        raise ValueError(
            f"equation: {equation!r}; should be letters, as 'mn,nk->mk', and some of them in the result, each once"
        )
    distinct = ["".join(dict.fromkeys(term)) for term in terms]
    diagonals = [
        a if len(term) == len(once) else _diagonal(a, term, once)
        for a, term, once in zip(operands, terms, distinct, strict=True)
    ]
    return _einsum(*diagonals, terms=distinct, output=output)


def _spelt_out(terms: Sequence[str], output: str, ndims: Sequence[int]) -> Iterator[str]:
    """All terms with letters for `...`, as many as there are axes that have none; they are counted from the last."""
    free = [letter for letter in string.ascii_letters if not any(letter in term for term in (*terms, output))]
    counts = [
        ndim - len(term.replace("...", "")) if "..." in term else 0 for term, ndim in zip(terms, ndims, strict=True)
    ]
    for term, count in zip((*terms, output), (*counts, max(counts)), strict=True):
        yield term.replace("...", "".join(free[len(free) - max(count, 0) :]))


def _diagonal(a: Tensor, term: str, distinct: str) -> Tensor:
    """a[i, i, j], say, with an axis for each of the distinct letters."""
    lengths = dict(zip(term, a.shape, strict=True))
    places = dict(zip(distinct, np.ogrid[tuple(slice(lengths[letter]) for letter in distinct)], strict=True))
    return index(a, at=tuple(places[letter] for letter in term))


@function
def _einsum(*tensors: Tensor, terms: list[str], output: str) -> Ruled:
    lengths = [dict(zip(term, tensor.shape, strict=True)) for term, tensor in zip(terms, tensors, strict=True)]

    def derivative(i: int) -> Derivative:
        others = [*terms[:i], *terms[i + 1 :]]
        # along what nothing else has, or has with one length, the derivative is the same, or is summed to it
        along = {letter for each in lengths[:i] + lengths[i + 1 :] for letter, length in each.items() if length > 1}
        seen = "".join(each for each in terms[i] if each in along.union(output) and lengths[i][each] > 1)
        shape = [length if letter in seen else 1 for letter, length in lengths[i].items()]

        def part(g: Tensor, _: Tensor) -> Tensor:
            found = _einsum(g, *tensors[:i], *tensors[i + 1 :], terms=[output, *others], output=seen)
            return found.reshape(shape).broadcast_to(tensors[i].shape)

        return part

    value = np.einsum(f"{','.join(terms)}->{output}", *(tensor.array for tensor in tensors), optimize=True)
    return np.asarray(value), tuple(map(derivative, range(len(tensors))))
