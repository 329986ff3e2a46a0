"""What went wrong, to look at: the confusion table, and the misread digits as an SVG picture."""

from __future__ import annotations

import itertools

import numpy as np

SHOWN = 60
ACROSS = 6
TILE, IMAGE, MARGIN, TOP = 130, 96, 20, 76


def confusion(labels: np.ndarray, read: np.ndarray) -> np.ndarray:
    """How often each digit (row) was read as each (column): (10, 10).

    >>> confusion(np.array([7, 7, 1]), np.array([7, 1, 1]))[[1, 7]]
    array([[0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
           [0, 1, 0, 0, 0, 0, 0, 1, 0, 0]])
    """
    table = np.zeros((10, 10), int)
    np.add.at(table, (labels, read), 1)
    return table


def confusion_text(table: np.ndarray) -> str:
    """The table with its heads, and for each digit the part that was read right."""
    lines = ["digit  read as", " " * 5 + "".join(f"{digit:6d}" for digit in range(10)) + "    right"]
    for digit, row in enumerate(table):
        right = f"{row[digit] / row.sum():9.1%}" if row.sum() else ""
        lines.append(f"{digit:5d}" + "".join(f"{n or '.':>6}" for n in row) + right)
    return "\n".join(lines)


def misread_picture(images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> str:
    """An SVG of the images (n, rows, columns) that were misread, the surest mistakes first, each with both digits.

    `labels` (n,) says what the images show, `probabilities` (n, 10) what was read.
    """
    read, sure = probabilities.argmax(1), probabilities.max(1)
    misread = np.flatnonzero(read != labels)
    chosen = misread[np.argsort(-sure[misread], kind="stable")][:SHOWN]

    tiles = [_tile(i, images[k], labels[k], read[k], sure[k]) for i, k in enumerate(chosen)]
    width = 2 * MARGIN + ACROSS * TILE
    height = TOP + -(-len(chosen) // ACROSS) * (TILE + 24) + MARGIN
    order = f"the {len(chosen)} surest mistakes, " if len(chosen) < len(misread) else ""
    subtitle = f"{order}the surest first; below each what it is, and what it was read as" if len(chosen) else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="Helvetica, Arial, Liberation Sans, sans-serif" text-anchor="middle" fill="#1a1a1a">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="{width // 2}" y="32" font-size="18">{len(misread)} of {len(labels)} digits misread</text>\n'
        f'<text x="{width // 2}" y="54" font-size="13" fill="#5a5f66">{subtitle}</text>\n' + "".join(tiles) + "</svg>\n"
    )


def _tile(place: int, image: np.ndarray, label: int, read: int, sure: float) -> str:
    x, y = MARGIN + place % ACROSS * TILE + (TILE - IMAGE) / 2, TOP + place // ACROSS * (TILE + 24)
    rows, columns = image.shape
    size = IMAGE / max(rows, columns)
    return (
        f'<g transform="translate({x:g} {y:g})">\n'
        f'<g transform="scale({size:g})" shape-rendering="crispEdges">{_ink(image)}</g>\n'
        f'<rect width="{columns * size:g}" height="{rows * size:g}" fill="none" stroke="#b4bac2"/>\n'
        f'<text x="{IMAGE / 2:g}" y="{IMAGE + 19}" font-size="15">{label} read as '
        f'<tspan font-weight="bold" fill="#c0392b">{read}</tspan></text>\n'
        f'<text x="{IMAGE / 2:g}" y="{IMAGE + 36}" font-size="12" fill="#5a5f66">{100 * sure:.0f} % sure</text>\n</g>\n'
    )


def _ink(image: np.ndarray) -> str:
    """The image in 16 shades, each one path of the runs of pixels that have it, one unit to a pixel."""
    shades: dict[int, str] = {}
    for y, row in enumerate(np.rint(image * 15).astype(int).tolist()):
        x = 0
        for shade, run in itertools.groupby(row):
            length = len(list(run))
            shades[shade] = shades.get(shade, "") + f"M{x} {y}h{length}v1h-{length}z"
            x += length
    return "".join(f'<path d="{d}" fill-opacity="{shade / 15:.2f}"/>' for shade, d in shades.items() if shade)
