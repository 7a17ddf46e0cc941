"""Numba kernels for losses as noise models, on samples in rows or columns.

>>> from kernels import Objective, losses
>>> f = Objective("softmax", layout="rows")
>>> value, grad = f.value_and_grad(X, y, theta)  # doctest: +SKIP
"""

from kernels import layouts, losses, noises
from kernels._jit import cache_folder, compiled_for, source_digest
from kernels.objective import Objective
from kernels.streams import stream

__all__ = ["Objective", "cache_folder", "compiled_for", "layouts", "losses", "noises", "source_digest", "stream"]
