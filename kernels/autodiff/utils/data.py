"""Data sets, and a loader that hands them out in batches, as `torch.utils.data` has them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from kernels.autodiff import draws
from kernels.autodiff.draws import Generator
from kernels.autodiff.tensor import Tensor


class Dataset(Protocol):
    """Anything with a length whose samples can be taken by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: Any) -> Any: ...


class TensorDataset:
    """Tensors that have a row for each sample."""

    def __init__(self, *tensors: Tensor) -> None:
        lengths = [len(tensor) for tensor in tensors]
        if len(set(lengths)) != 1:
            raise ValueError(f"tensors: {', '.join(map(str, lengths)) or 'no'} samples; should be as many in each")
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, at: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[at] for tensor in self.tensors)


class Subset:
    """The samples of a data set at those places."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, at: int) -> Any:
        return self.dataset[int(self.indices[at])]


def random_split(dataset: Dataset, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Parts of a data set by chance, of those lengths, or of those shares of it."""
    shares = math.isclose(sum(lengths), 1) and all(0 <= length <= 1 for length in lengths)
    ends = np.cumsum(lengths) * len(dataset) if shares else np.cumsum(lengths)
    if round(ends[-1]) != len(dataset):
        raise ValueError(f"lengths: {list(lengths)}; should be {len(dataset)} together, or shares that are 1 together")
    order = draws.source(generator).permutation(len(dataset))
    return [Subset(dataset, part.tolist()) for part in np.split(order, np.round(ends[:-1]).astype(int))]


class DataLoader:
    """Batches of `batch_size` samples, in their order or, with `shuffle`, in a new random one each time through."""

    def __init__(
        self, dataset: Dataset, batch_size: int = 1, shuffle: bool = False, drop_last: bool = False,
        generator: Generator | None = None, num_workers: int = 0,
    ) -> None:  # fmt: skip
        """`num_workers` is PyTorch's, and changes nothing here: samples are taken in this process."""
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size: {batch_size!r}; should be a whole number of at least 1")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.generator = generator

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        count = len(self.dataset)
        order = draws.source(self.generator).permutation(count) if self.shuffle else None
        for batch in range(len(self)):
            at = slice(batch * self.batch_size, min((batch + 1) * self.batch_size, count))
            if isinstance(self.dataset, TensorDataset):
                taken = self.dataset[at if order is None else order[at]]
                yield [tensor.clone() for tensor in taken] if order is None else list(taken)
            else:
                chosen = range(at.start, at.stop) if order is None else order[at]
                yield _together([self.dataset[int(i)] for i in chosen])


def _together(samples: Sequence[Any]) -> Any:
    """One batch of samples: tensors and numbers stacked, tuples part by part."""
    if isinstance(samples[0], (tuple, list)):
        return [_together(part) for part in zip(*samples, strict=True)]
    return Tensor.of(np.stack([np.asarray(sample) for sample in samples]))
