"""One formula, three readings: by numbers with what rounding may do to them, by SymPy's symbols, and in words."""

from __future__ import annotations

from experiments.theory.algebras.base import Array as Array
from experiments.theory.algebras.base import Formula as Formula
from experiments.theory.algebras.base import Point as Point
from experiments.theory.algebras.numbers import UNIT as UNIT
from experiments.theory.algebras.numbers import Number as Number
from experiments.theory.algebras.numbers import Numbers as Numbers
from experiments.theory.algebras.symbols import Symbols as Symbols
from experiments.theory.algebras.symbols import is_zero as is_zero
from experiments.theory.algebras.words import Word as Word
from experiments.theory.algebras.words import Words as Words
