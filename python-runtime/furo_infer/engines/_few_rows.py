"""Multiplies a few rows by a weight on the CPU, from the side on which its library is fast.

MKL takes as long for two to four rows as for sixteen when the rows stand on the left, as in `nn.functional.linear`, and
a half to a fifth of it when the weight does (measured with float32, sizes from 576 x 576 to 49152 x 576, two cores with
AVX-512; from five rows on it depends on the size, and one row goes another way). Knows modules; does not know models.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

__all__ = ["linear", "speed_up"]

FEWEST, MOST = 2, 4
HAS_MKL: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped


def linear(given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """given: (..., inputs), weight: (outputs, inputs), bias: (outputs,) -> (..., outputs), contiguous."""
    rows = given.reshape(-1, given.shape[-1])
    fits = HAS_MKL and given.device.type == "cpu" and given.dtype == torch.float32
    if not fits or not FEWEST <= len(rows) <= MOST:
        return nn.functional.linear(given, weight, bias)
    product = torch.mm(weight, rows.t()).t().contiguous()
    if bias is not None:
        product += bias
    return product.view(*given.shape[:-1], -1)


def speed_up(base: nn.Module) -> None:
    """Lets every linear layer of `base` multiply this way."""
    for module in base.modules():
        if type(module) is nn.Linear:
            # A method of one object alone is what mypy does not know.
            module.forward = _forward_of(module)  # type: ignore[assignment, method-assign]


def _forward_of(module: nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda given: linear(given, module.weight, module.bias)
