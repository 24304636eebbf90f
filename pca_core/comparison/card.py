"""An adapted net with its card: what it is, how it was made, what was measured."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pca_core.comparison.scores import NetScore
from pca_core.models.checkpoints import read_description


def write_card(path: Path, scores: Sequence[NetScore] = ()) -> str:
    """Markdown that says what is in a checkpoint's own description, and what was measured of it.

    Args:
        path: The ``.safetensors`` file; only its header is read.
        scores: The nets that it was compared with, the net itself among them.

    Raises:
        InputError: ``CHECKPOINT_...``.
    """
    about = read_description(path)
    notes, space = about.get("notes", {}), about["label_space"]
    lines = ["# Adapted net", ""]
    if "adapted_with" in notes:
        lines += [
            f"Made by CycleLens: `{notes['adapted_with']}`, {notes['adaptation_step']} steps, "
            f"on {notes['num_target_images']} images of `{notes['adapted_to']}` without their labels.",
            "",
        ]
    lines += [
        f"- Architecture: `{about['architecture']}` {json.dumps(about['options'])}",
        f"- Classes ({space['name']}): {', '.join(space['class_names'])}",
        f"- Input: short side {about['short_side']} pixels, {json.dumps(about['normalisation'])}",
        '- Load: `pca_core.models.load_checkpoint("adapted.safetensors")`',
        "",
    ]
    if scores:
        lines += ["| net | mIoU, % | entropy | neighbourhood density |", "|---|---:|---:|---:|"]
        for one in scores:
            miou = "–" if one.score is None else f"{one.score.miou:.1f}"
            lines.append(f"| {one.name} | {miou} | {one.entropy:.3f} | {one.snd:.2f} |")
        lines += ["", "Labels, where there were any, were scored on and used for nothing else.", ""]
    if "adaptation" in notes:
        lines += ["Settings:", "", "```json", json.dumps(notes["adaptation"], indent=1), "```", ""]
    return "\n".join(lines)


def pack_net(path: Path, scores: Sequence[NetScore] = ()) -> bytes:
    """A zip with ``adapted.safetensors`` and its ``card.md``."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.write(path, "adapted.safetensors")
        archive.writestr("card.md", write_card(path, scores))
    return file.getvalue()
