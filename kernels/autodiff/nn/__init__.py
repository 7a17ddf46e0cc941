"""Layers, as `torch.nn` has them."""

from kernels.autodiff import functional
from kernels.autodiff.nn import init
from kernels.autodiff.nn.layers import Dropout, Flatten, LayerNorm, Linear, ReLU, Sequential, Sigmoid, Softplus, Tanh
from kernels.autodiff.nn.losses import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss
from kernels.autodiff.nn.module import Module, Parameter

__all__ = [
    "BCEWithLogitsLoss", "CrossEntropyLoss", "Dropout", "Flatten", "HuberLoss", "L1Loss", "LayerNorm", "Linear", "MSELoss",
    "Module", "Parameter", "ReLU", "Sequential", "Sigmoid", "Softplus", "Tanh", "functional", "init",
]  # fmt: skip
