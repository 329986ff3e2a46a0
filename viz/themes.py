"""Themes: the form and the colours of every kind of box, and of edges and frames, in light and dark.

The hues are Okabe and Ito's, which the colour-blind tell apart; kinds differ in form as well. Red, their vermillion,
is kept for what went wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

GREEN, BLUE, SKY, ORANGE, PURPLE, YELLOW, VERMILLION = (
    "#009E73", "#0072B2", "#56B4E9", "#E69F00", "#CC79A7", "#F0E442", "#D55E00",
)  # fmt: skip

FORMS: dict[str, dict[str, str]] = {
    "input": {"shape": "ellipse", "style": "filled", "penwidth": "1.6"},
    "output": {"shape": "ellipse", "style": "filled", "penwidth": "1.2", "peripheries": "2"},
    "view": {"shape": "box", "style": "filled,dashed", "penwidth": "1.1"},
    "pointwise": {"shape": "box", "style": "filled,rounded", "penwidth": "1.4"},
    "general": {"shape": "box", "style": "filled", "penwidth": "1.4"},
    "parametrised": {"shape": "box3d", "style": "filled", "penwidth": "1.4", "margin": "0.17,0.11"},
    "folded": {"shape": "folder", "style": "filled", "penwidth": "1.4"},
    "group": {"shape": "folder", "style": "filled,dashed", "penwidth": "1.2"},
}


@dataclass(frozen=True)
class Theme:
    """Colours; `boxes` and `frames` map a kind to (fill, line)."""

    background: str
    text: str
    faint: str
    edge: str
    feedback: str
    wrong: str
    wrong_fill: str
    boxes: dict[str, tuple[str, str]]
    frames: dict[str, tuple[str, str]]


THEMES = {
    "light": Theme(
        background="#ffffff",
        text="#1a1a1a",
        faint="#5a5f66",
        edge="#4a4f55",
        feedback=BLUE,
        wrong="#c0392b",
        wrong_fill="#fbdcd3",
        boxes={
            "input": ("#d9f2e9", GREEN),
            "output": ("#d9f2e9", GREEN),
            "view": ("#fafafa", "#8a9099"),
            "pointwise": ("#fdf0d5", ORANGE),
            "general": ("#f7e4ee", PURPLE),
            "parametrised": ("#d8e9f5", BLUE),
            "folded": ("#e8eaed", "#5a5f66"),
            "group": ("#f1f2f4", "#5a5f66"),
        },
        frames={
            "module": ("#f5f6f8", "#b4bac2"),
            "loop": ("#eaf5fd", SKY),
            "stage": ("#f5f6f8", "#b4bac2"),
            "step": ("#f5f6f8", "#b4bac2"),
        },
    ),
    "dark": Theme(
        background="#15191e",
        text="#f0f2f4",
        faint="#a9b1ba",
        edge="#b4bcc5",
        feedback=SKY,
        wrong="#ff7b5c",
        wrong_fill="#58231a",
        boxes={
            "input": ("#0b3d30", "#2fc79c"),
            "output": ("#0b3d30", "#2fc79c"),
            "view": ("#1d2228", "#8a939d"),
            "pointwise": ("#4a3606", ORANGE),
            "general": ("#46263a", PURPLE),
            "parametrised": ("#0c3350", SKY),
            "folded": ("#2c333b", "#a9b1ba"),
            "group": ("#242a31", "#a9b1ba"),
        },
        frames={
            "module": ("#1d232a", "#4d5660"),
            "loop": ("#14293a", "#3b84b3"),
            "stage": ("#1d232a", "#4d5660"),
            "step": ("#1d232a", "#4d5660"),
        },
    ),
}
