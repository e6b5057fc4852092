"""A placement as a picture: one bar for each GPU, as long as its memory, filled with the parts that lie there.

Knows SVG only; never imports torch. The colours follow the reader's light or dark theme.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ._inspect import gib, layer_range, warnings_of

if TYPE_CHECKING:
    from ._placement import DeviceShare, Placement

__all__ = ["placement_svg"]

# All lengths in pixels of the picture's own coordinates.
WIDTH = 960
MARGIN = 24
LABEL_WIDTH = 92
BAR_LEFT = MARGIN + LABEL_WIDTH
BAR_WIDTH = WIDTH - MARGIN - BAR_LEFT
BAR_HEIGHT = 34
ROW_HEIGHT = 68
TOP = 92
LINE_HEIGHT = 18
WARNING_CHARACTERS = 140
# A number of a layer needs this much room.
NUMBER_WIDTH = 16

STYLE = """
svg { color-scheme: light dark; font: 13px system-ui, sans-serif; --ink: #1f2328; --soft: #59636e; --line: #c4ccd4;
  --even: #b6d4f7; --odd: #8fbcf0; --other: #f0c98a; --lost: #e6e9ed; --free: #ffffff; --bad: #b3261e;
  --paper: #ffffff; }
@media (prefers-color-scheme: dark) { svg { --ink: #e8ebee; --soft: #a2abb5; --line: #4b545e; --even: #245a92;
  --odd: #1b4672; --other: #8a6420; --lost: #30363d; --free: #161b22; --bad: #ff8a80;
  --paper: #0d1117; } }
text { fill: var(--ink); }
.soft { fill: var(--soft); }
.bad { fill: var(--bad); }
.head { font-size: 16px; font-weight: 600; }
.number { font-size: 10px; text-anchor: middle; }
rect { stroke: var(--line); stroke-width: 0.5; }
.paper { fill: var(--paper); stroke: none; }
.even { fill: var(--even); }
.odd { fill: var(--odd); }
.other { fill: var(--other); }
.lost { fill: var(--lost); }
.free { fill: var(--free); }
.limit { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 3; }
""".strip()


def placement_svg(placement: Placement, model: str) -> str:
    """A whole SVG file with a title and a description for screen readers. One pixel is the same bytes in each bar."""
    warnings = [line for warning in warnings_of(placement) for line in _wrap(warning)]
    held = max((share.bytes for share in placement.shares), default=0)
    scale = BAR_WIDTH / max(placement.memory_bytes, held)
    legend = TOP + ROW_HEIGHT * len(placement.shares) + 12
    height = legend + LINE_HEIGHT * (2 + len(warnings)) + MARGIN
    title = f"{model}: policy {placement.policy} on {placement.gpus} GPUs of {gib(placement.memory_bytes)}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-labelledby="placement-title placement-desc">',
        f'<title id="placement-title">{escape(title)}</title>',
        f'<desc id="placement-desc">{escape(_description(placement))}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        _text(MARGIN, 36, title, "head"),
        _text(
            MARGIN,
            60,
            f"{gib(placement.total_bytes)} of weights as {placement.dtype}, placed by {placement.rules}",
            "soft",
        ),
    ]
    for row, share in enumerate(placement.shares):
        lines.extend(_bar(share, placement, TOP + row * ROW_HEIGHT, scale))
    lines.extend(_legend(legend))
    for number, line in enumerate(warnings):
        lines.append(_text(MARGIN, legend + LINE_HEIGHT * (number + 2) + 8, line, "bad"))
    return "\n".join([*lines, "</svg>", ""])


def _bar(share: DeviceShare, placement: Placement, top: float, scale: float) -> Iterator[str]:
    """One device: its parts from the left, then what is free, then what the driver and fragmentation take."""
    yield _text(MARGIN, top + BAR_HEIGHT / 2 + 5, share.name)
    left: float = BAR_LEFT
    for part in share.parts:
        width = part.bytes * scale
        if width < 0.05:
            continue
        kind = "other" if part.layer is None else "odd" if part.layer % 2 else "even"
        yield _rect(left, top, width, kind, f"{part.name}: {gib(part.bytes)}")
        if part.layer is not None and width >= NUMBER_WIDTH:
            yield _text(left + width / 2, top + BAR_HEIGHT / 2 + 4, str(part.layer), "number")
        left += width
    if share.usable_bytes is not None:
        limit = BAR_LEFT + share.usable_bytes * scale
        end = BAR_LEFT + placement.memory_bytes * scale
        if limit > left:
            yield _rect(
                left, top, limit - left, "free", f"left for the KV cache: {gib(share.usable_bytes - share.bytes)}"
            )
        if end > max(left, limit):
            yield _rect(max(left, limit), top, end - max(left, limit), "lost", "CUDA context and fragmentation")
        if limit < left:
            yield f'<line class="limit" x1="{limit:.1f}" y1="{top - 4}" x2="{limit:.1f}" y2="{top + BAR_HEIGHT + 4}"/>'
    yield _text(BAR_LEFT, top + BAR_HEIGHT + 17, _caption(share), "bad" if _is_full(share) else "soft")


def _caption(share: DeviceShare) -> str:
    if not share.parts:
        return "nothing"
    what = f"layers {layer_range(share.layers)}, " if len(share.layers) > 1 else ""
    text = f"{what}{gib(share.bytes)} of weights"
    if share.room_bytes is None:
        return text
    if share.room_bytes <= 0:
        return f"{text}, full: nothing left for the KV cache"
    tokens = "" if share.kv_tokens is None else f" = {share.kv_tokens:,} tokens"
    return f"{text}, {gib(share.room_bytes)} left for the KV cache{tokens}"


def _is_full(share: DeviceShare) -> bool:
    return share.room_bytes is None or share.room_bytes <= 0


def _description(placement: Placement) -> str:
    bars = "; ".join(f"{share.name}: {_caption(share)}" for share in placement.shares)
    return f"{bars}. {' '.join(warnings_of(placement))}".strip()


def _legend(top: float) -> Iterator[str]:
    left: float = MARGIN
    for kind, words in (
        ("even", "layers"),
        ("other", "embedding, head and others"),
        ("free", "left for the KV cache"),
        ("lost", "CUDA context and fragmentation"),
    ):
        yield f'<rect class="{kind}" x="{left:.0f}" y="{top - 10:.0f}" width="14" height="14" rx="2"/>'
        yield _text(left + 20, top + 2, words, "soft")
        left += 44 + 7 * len(words)


def _rect(left: float, top: float, width: float, kind: str, words: str) -> str:
    return (
        f'<rect class="{kind}" x="{left:.2f}" y="{top:.0f}" width="{width:.2f}" height="{BAR_HEIGHT}">'
        f"<title>{escape(words)}</title></rect>"
    )


def _text(left: float, baseline: float, words: str, kind: str = "") -> str:
    mark = f' class="{kind}"' if kind else ""
    return f'<text{mark} x="{left:.1f}" y="{baseline:.1f}">{escape(words)}</text>'


def _wrap(sentence: str) -> Sequence[str]:
    return textwrap.wrap(sentence, WARNING_CHARACTERS)
