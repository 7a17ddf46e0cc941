"""Derivatives by hand: gradients as values, functions with a `backward` of their own, Jacobians."""

from kernels.autodiff.autograd import functional
from kernels.autodiff.autograd.custom import Function
from kernels.autodiff.autograd.gradients import grad

__all__ = ["Function", "functional", "grad"]
