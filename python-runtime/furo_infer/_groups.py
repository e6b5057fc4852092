"""Furo's resource groups as data, equal to the extension's `src/pjm/furo.ts` by the contract resourceGroups.json.

Source of all rows: table of a talk given at Nagoya University on 19 June 2025; `pjacl` on the login node is the
authority. Knows no models.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GROUPS", "Group", "batch_groups", "find_group"]

HOUR = 3600
GPUS_PER_NODE = 4


@dataclass(frozen=True)
class Group:
    """Limits of one resource group; a unit is a node, or a quarter of one in a shared group. None is unlimited."""

    name: str
    is_shared: bool
    min_nodes: int
    max_nodes: int
    gpus_per_unit: int
    cores_per_unit: int
    memory_gib_per_unit: int
    default_elapse_seconds: int | None
    max_elapse_seconds: int | None
    is_interactive: bool


def _quarter_node(name: str) -> Group:
    return Group(name, True, 1, 1, 1, 10, 84, HOUR, 168 * HOUR, False)


def _whole_nodes(name: str, least: int, most: int, hours: int | None) -> Group:
    longest = None if hours is None else hours * HOUR
    default = None if hours is None else HOUR
    return Group(name, False, least, most, GPUS_PER_NODE, 40, 338, default, longest, name.endswith("-interactive"))


GROUPS = (
    _quarter_node("cx-share"),
    _quarter_node("cxgfs-share"),
    _whole_nodes("cx-interactive", 1, 1, 24),
    _whole_nodes("cx-debug", 1, 4, 1),
    _whole_nodes("cx-single", 1, 1, 336),
    _whole_nodes("cx-small", 1, 8, 168),
    _whole_nodes("cx-middle", 1, 16, 72),
    _whole_nodes("cx-large", 16, 64, 72),
    _whole_nodes("cx-special", 1, 221, None),
    _whole_nodes("cx-middle2", 1, 16, 72),
    _whole_nodes("cxgfs-interactive", 1, 1, 168),
    _whole_nodes("cxgfs-single", 1, 1, 336),
    _whole_nodes("cxgfs-small", 1, 8, 168),
    _whole_nodes("cxgfs-middle", 4, 16, 72),
    _whole_nodes("cxgfs-special", 1, 50, 72),
)

# What a batch job is planned for, the smallest first. Not the groups for interactive work and for trials of an hour
# (cx-debug), those with another file system (cxgfs-*), and cx-middle2, which differs only in who may use it.
_FOR_BATCH = ("cx-share", "cx-single", "cx-small", "cx-middle", "cx-large", "cx-special")


def batch_groups() -> tuple[Group, ...]:
    """The groups that a plan chooses from, the smallest first."""
    return tuple(find_group(name) for name in _FOR_BATCH)


def find_group(name: str) -> Group:
    """The group of that name. Raises KeyError."""
    for group in GROUPS:
        if group.name == name:
            return group
    raise KeyError(name)
