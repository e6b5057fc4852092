"""Computes once in float32 with a model that is held in half precision, without a second copy of it.

Knows modules of any model, also those that accelerate keeps in main memory or on the disk; does not know records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["in_float32", "pieces"]

HALF = (torch.float16, torch.bfloat16)


@contextmanager
def in_float32(modules: Iterable[nn.Module]) -> Iterator[None]:
    """While the context lasts, each of `modules` has its weights in float32 when it runs, and only then.

    Takes the memory of the largest of them in float32. Afterwards the very same weights are in their places.
    A weight that accelerate has put away is widened when accelerate brings it back, as it keeps the type of its place.
    """
    handles = []
    narrow: dict[nn.Module, dict[str, nn.Parameter]] = {}

    def widen(top: nn.Module, _inputs: object) -> None:
        wide: dict[nn.Parameter, nn.Parameter] = {}
        for module in top.modules():
            own = {name: value for name, value in module._parameters.items() if value is not None}
            narrow[module] = own
            for name, value in own.items():
                if value.dtype in HALF:
                    if value not in wide:
                        wide[value] = nn.Parameter(value.detach().float(), requires_grad=False)
                    module._parameters[name] = wide[value]

    def restore(top: nn.Module, _inputs: object, _output: object) -> None:
        for module in top.modules():
            module._parameters.update(narrow.pop(module, {}))

    for top in modules:
        handles.append(top.register_forward_pre_hook(widen))
        handles.append(top.register_forward_hook(restore, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module, own in narrow.items():
            module._parameters.update(own)


def pieces(model: nn.Module, layer_classes: Iterable[str]) -> list[nn.Module]:
    """The layers of `model`, and every module outside them that has weights of its own."""
    classes = set(layer_classes)
    found: list[nn.Module] = []

    def walk(module: nn.Module) -> None:
        owns = any(value is not None for value in module._parameters.values())
        if owns or type(module).__name__ in classes:
            found.append(module)
            return
        for child in module.children():
            walk(child)

    walk(model)
    return found
