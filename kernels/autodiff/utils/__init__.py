"""Room for `utils.data`, where PyTorch has it."""

from kernels.autodiff.utils import data as data
