"""Ways to step, as `torch.optim` has them."""

from kernels.autodiff.optim import lr_scheduler
from kernels.autodiff.optim.adam import Adam, AdamW
from kernels.autodiff.optim.optimizer import Optimizer
from kernels.autodiff.optim.rmsprop import RMSprop
from kernels.autodiff.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
