"""What a checkpoint of a character model holds, as text."""

from __future__ import annotations

import os

import numpy as np

from nodegraph.models.char_rnn.training import CharacterModel


def describe(path: str | os.PathLike[str]) -> str:
    """Options, losses, and a table of the layers with the shapes and numbers of their parameters."""
    model, arrays, data = CharacterModel.load(path)
    losses = arrays.get("losses", np.zeros(0))
    lines = [f"{path}", "", "options"]
    lines += [f"  {name:<27}{value}" for name, value in data["options"].items()]
    lines += ["", "training"]
    lines.append(f"  {'iterations':<27}{data.get('iteration', 0)} ({data.get('epoch', 0):.2f} epochs)")
    if losses.size:
        lines.append(f"  {'training loss':<27}{losses[0]:.4f} at first, {losses[-50:].mean():.4f} over the last 50")
    for iteration, loss in data.get("validations", ()):
        bits = loss / np.log(2)
        lines.append(f"  {'validation loss':<27}{loss:.4f} ({bits:.3f} bits/char) at iteration {iteration}")
    characters = "".join(model.vocabulary.characters)
    lines += ["", f"vocabulary: {len(characters)} characters", f"  {characters!r}", "", "layers"]
    return "\n".join(lines + [f"  {line}" for line in _layers(model)])


def _layers(model: CharacterModel) -> list[str]:
    """A row for each module that has parameters, then the total."""
    parameters = model.network.named_parameters()
    rows: dict[str, list[tuple[str, np.ndarray]]] = {}
    for path, array in parameters.items():
        owner, _, name = path.rpartition(".")
        rows.setdefault(owner, []).append((name, array))
    modules = dict(model.network.named_children())
    table = [("name", "module", "parameters", "count")]
    for owner, arrays in rows.items():
        shapes = ", ".join(f"{name} {' x '.join(map(str, array.shape))}" for name, array in arrays)
        table.append((owner, repr(modules[owner]), shapes, f"{sum(array.size for _, array in arrays):,}"))
    table.append(("total", "", "", f"{sum(array.size for array in parameters.values()):,}"))
    widths = [max(len(row[i]) for row in table) for i in range(4)]
    return [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in table]
