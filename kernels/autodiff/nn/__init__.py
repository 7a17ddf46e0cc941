"""Layers, as `torch.nn` has them."""

from kernels.autodiff.nn import functional, init, utils
from kernels.autodiff.nn.activations import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from kernels.autodiff.nn.containers import ModuleDict, ModuleList, Sequential
from kernels.autodiff.nn.layers import BatchNorm1d, Dropout, Embedding, Flatten, Identity, LayerNorm, Linear
from kernels.autodiff.nn.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss, NLLLoss
from kernels.autodiff.nn.module import Module, Parameter

__all__ = [
    "ELU", "GELU", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "CrossEntropyLoss", "Dropout", "Embedding", "Flatten",
    "HuberLoss", "Identity", "L1Loss", "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax", "MSELoss", "Module", "ModuleDict",
    "ModuleList", "NLLLoss", "Parameter", "ReLU", "Sequential", "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh", "functional",
    "init", "utils",
]  # fmt: skip
