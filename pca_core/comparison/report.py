"""The comparison as one HTML file that needs nothing else: no script, no request, everything escaped."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from pca_core.comparison.predictions import OUTCOMES, ImageComparison, overlay_outcome
from pca_core.comparison.scores import NetScore
from pca_core.data import encode_jpeg, resize_image
from pca_core.render import overlay_classes
from pca_core.types import LabelSpace

TEMPLATE = Path(__file__).with_name("report.html.jinja")
SHOWN_WIDTH = 480


@dataclass(frozen=True)
class Report:
    """What a report says.

    Attributes:
        title, summary: For people.
        space: The classes.
        scores: Every net, before and after first.
        num_images: That the scores are over.
        images: Compared images to show.
        settings: Of the run, ready for JSON; or None.
    """

    title: str
    summary: str
    space: LabelSpace
    scores: Sequence[NetScore]
    num_images: int
    images: Sequence[ImageComparison] = ()
    settings: dict[str, Any] | None = field(default=None)

    @property
    def is_scored(self) -> bool:
        return any(one.score is not None for one in self.scores)


def write_report(report: Report) -> str:
    """The file's text."""
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE.read_text(encoding="utf-8"))
    facts = {
        "title": report.title,
        "summary": report.summary,
        "is_scored": report.is_scored,
        "num_images": report.num_images,
        "scores": report.scores,
        "class_rows": _class_rows(report),
        "legend": [(name, f"rgb{colour}") for name, colour in OUTCOMES.values()],
        "pictures": [_picture(comparison, report.space) for comparison in report.images],
        "settings": None if report.settings is None else json.dumps(report.settings, indent=1, ensure_ascii=False),
    }
    return template.render(report=facts)


def _class_rows(report: Report) -> list[dict[str, Any]]:
    """Per class the IoU of each net, or its share of the predicted pixels where there are no labels."""
    rows = []
    for index, name in enumerate(report.space.class_names):
        if report.is_scored:
            values = [
                None if one.score is None or np.isnan(one.score.iou[index]) else float(one.score.iou[index])
                for one in report.scores
            ]
        else:
            values = [100 * float(one.class_shares[index]) for one in report.scores]
        rows.append({"name": name, "percents": values})
    return rows


def _picture(comparison: ImageComparison, space: LabelSpace) -> dict[str, str]:
    image = comparison.sample.image
    pictures = {
        "before": overlay_classes(image, comparison.before, space),
        "after": overlay_classes(image, comparison.after, space),
        "changed": overlay_outcome(comparison),
    }
    text = ", ".join(f"{name} {share:.1%}" for name, share in comparison.shares().items())
    return {"name": comparison.sample.name, "text": text} | {key: _data_uri(picture) for key, picture in pictures.items()}


def _data_uri(picture: np.ndarray) -> str:
    height = max(1, round(picture.shape[0] * SHOWN_WIDTH / picture.shape[1]))
    small = resize_image(picture, (height, SHOWN_WIDTH)) if picture.shape[1] > SHOWN_WIDTH else picture
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(small)).decode()
