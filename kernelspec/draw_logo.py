# SPDX-License-Identifier: MIT
"""Draws the logo: a flame over a handle of tensor cells.

One list of shapes, written as SVG and as two PNG files beside this script.
Needs matplotlib; run it only after changing the shapes.
"""
from pathlib import Path

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.patches import PathPatch  # noqa: E402
from matplotlib.path import Path as Outline  # noqa: E402

HERE = Path(__file__).resolve().parent
RUST, EMBER, LIGHT, IRON, STEEL = "#b7410e", "#f07818", "#ffd166", "#37474f", "#607d8b"

# Colour, start point, then cubic curves as three points each (64 x 64 field).
FLAMES = [
    (RUST, (32, 2), [(36, 12, 50, 17, 50, 29), (50, 38, 42, 44, 32, 44),
                     (22, 44, 14, 38, 14, 29), (14, 22, 18, 18, 21, 15),
                     (21, 19, 22, 21, 25, 22), (26, 14, 27, 8, 32, 2)]),
    (EMBER, (33, 15), [(35, 21, 43, 24, 43, 32), (43, 39, 38, 42, 32, 42),
                       (26, 42, 21, 39, 21, 32), (21, 28, 23, 26, 25, 25),
                       (27, 27, 29, 26, 29, 24), (29, 20, 30, 17, 33, 15)]),
    (LIGHT, (32, 27), [(34, 30, 37, 32, 37, 36), (37, 40, 35, 41, 32, 41),
                       (29, 41, 27, 40, 27, 36), (27, 32, 31, 30, 32, 27)]),
]
CELLS = [(IRON if (row + column) % 2 else STEEL, 22.5 + 6.5 * column, 46 + 5.5 * row)
         for row in range(3) for column in range(3) if row < 2 or column == 1]
WIDTH, HEIGHT = 6, 5


def svg():
    rows = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">']
    for colour, (x, y), curves in FLAMES:
        path = f"M{x} {y}" + "".join("C{} {} {} {} {} {}".format(*c) for c in curves)
        rows.append(f'  <path fill="{colour}" d="{path}Z"/>')
    for colour, x, y in CELLS:
        rows.append(f'  <rect fill="{colour}" x="{x}" y="{y}" width="{WIDTH}" '
                    f'height="{HEIGHT}" rx="1"/>')
    return "\n".join(rows + ["</svg>", ""])


def png(size):
    figure = plt.figure(figsize=(1, 1), dpi=size)
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set(xlim=(0, 64), ylim=(64, 0))
    axes.axis("off")
    for colour, start, curves in FLAMES:
        points = [start] + [(c[i], c[i + 1]) for c in curves for i in (0, 2, 4)]
        codes = [Outline.MOVETO] + [Outline.CURVE4] * (len(points) - 1)
        axes.add_patch(PathPatch(Outline(points, codes), facecolor=colour, linewidth=0))
    for colour, x, y in CELLS:
        axes.add_patch(plt.Rectangle((x, y), WIDTH, HEIGHT, facecolor=colour, linewidth=0))
    figure.savefig(HERE / f"logo-{size}x{size}.png", transparent=True,
                   metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    HERE.joinpath("logo-svg.svg").write_text(svg())
    png(32)
    png(64)
