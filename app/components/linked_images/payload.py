"""Binary messages to the browser: a JSON header, then aligned byte sections.

``uint32 header length (little endian) | header, UTF-8, padded with spaces | section 0 | section 1 | ...``; everything
starts at a multiple of eight. ``header["sections"]`` holds (offset from the first section, length in bytes). Equal
content gives equal bytes, so Streamlit does not send it twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from app.components.linked_images.types import SIDES, VIRIDIS, ImagePane, Layer, LineSet, Link, Marker, Side
from pca_core.analysis.live_features import LiveFeatures, LiveSide

JPEG_QUALITY = 85
ALIGNMENT = 8


class _Sections:
    """Collects byte sections; equal content is stored once."""

    def __init__(self) -> None:
        self._index_of: dict[bytes, int] = {}

    def add(self, content: bytes) -> int:
        return self._index_of.setdefault(content, len(self._index_of))

    def pack(self, header: dict[str, Any]) -> bytes:
        """Return the message; its header also gets ``hash``, which tells equal content without comparing it."""
        contents, table, offset = list(self._index_of), [], 0
        for content in contents:
            table.append((offset, len(content)))
            offset += _padded(len(content))
        digest = hashlib.blake2b(_encode(header), digest_size=16)
        for content in contents:
            digest.update(len(content).to_bytes(8, "little") + content)
        encoded = _encode({**header, "sections": table, "hash": digest.hexdigest()})
        encoded = encoded.ljust(_padded(len(encoded) + 4) - 4)
        body = b"".join(content.ljust(_padded(len(content)), b"\0") for content in contents)
        return len(encoded).to_bytes(4, "little") + encoded + body


def pack_images(source: ImagePane, target: ImagePane) -> bytes:
    """Return the message with both images (JPEG) and their class maps.

    It takes some 20 ms a pair: let the caller cache it and pass it to ``linked_images(packed_images=...)``.
    """
    sections = _Sections()
    panes = {side: _describe_pane(pane, sections) for side, pane in zip(SIDES, (source, target), strict=True)}
    return sections.pack({"kind": "images", "panes": panes})


def pack_features(features: LiveFeatures, level: str) -> bytes:
    """Return the message with which the browser finds similarities itself; some 2 MB for 2 × 8,192 pixels of 64 numbers."""
    sections = _Sections()
    sides = {
        side: _describe_features(live, sections) for side, live in zip(SIDES, (features.source, features.target), strict=True)
    }
    told = f"{features.num_dimensions} of {features.num_channels} dimensions" if level == "feature" else "−KL of the predictions"
    return sections.pack(
        {
            "kind": "features",
            "sides": sides,
            "dimensions": features.source.query.shape[1],
            "level": level,
            "fidelity": f"{told}, same match as the exact one for {features.agreement:.1%} of {features.num_judged:,} pixels",
        }
    )


def _describe_features(live: LiveSide, sections: _Sections) -> dict[str, Any]:
    return {
        "query": sections.add(np.ascontiguousarray(live.query).tobytes()),
        "key": sections.add(np.ascontiguousarray(live.key).tobytes()),
        "isInteger": live.query.dtype == np.int16,
        "scales": [live.query_scale, live.key_scale],
        "offset": sections.add(live.offset.tobytes()),
    }


def pack_overlay(  # noqa: PLR0913 (one keyword for each thing that is drawn)
    panes: Mapping[Side, ImagePane],
    *,
    images_hash: str,
    features_hash: str | None = None,
    layers: Sequence[Layer] = (),
    markers: Sequence[Marker] = (),
    links: Sequence[Link] = (),
    lines: LineSet | None = None,
    active_layer: Mapping[Side, str | None] | None = None,
    scene: str = "",
    opacity: float = 0.6,
    reports_layer: bool = False,
    takes_regions: bool = False,
    is_mutual: bool = False,
) -> bytes:
    """Return the message with everything that is drawn over the images.

    Raises:
        ValueError: If a marker or link lies outside its grid, or ``active_layer`` names no layer of its side.
    """
    for marker in markers:
        _check_pixel(panes, marker.side, marker.index, "Marker")
    for link in links:
        _check_pixel(panes, *link.start, "Link start")
        _check_pixel(panes, *link.end, "Link end")
    chosen = {side: (active_layer or {}).get(side) for side in SIDES}
    _check_active(chosen, layers)
    sections = _Sections()
    header = {
        "kind": "overlay",
        "images": images_hash,
        "features": features_hash,
        "panes": {side: {"grid": pane.grid, "size": pane.image.shape[:2]} for side, pane in panes.items()},
        "layers": [_describe_layer(layer, sections) for layer in layers],
        "markers": [[marker.side, int(marker.index), marker.kind, marker.label, marker.colour] for marker in markers],
        "links": [
            [link.start[0], int(link.start[1]), link.end[0], int(link.end[1]), link.kind, bool(link.consistent)] for link in links
        ],
        "viridis": sections.add(np.dstack([VIRIDIS[np.newaxis], np.full((1, 256, 1), 255, np.uint8)]).tobytes()),
        "lines": None if lines is None else _describe_lines(lines, panes, sections),
        "active": chosen,
        "scene": scene,
        "opacity": min(max(float(opacity), 0.0), 1.0),
        "reportsLayer": reports_layer,
        "takesRegions": takes_regions,
        "isMutual": is_mutual,
    }
    return sections.pack(header)


def read_header(message: bytes) -> dict[str, Any]:
    """Return the JSON header of a message."""
    length = int.from_bytes(message[:4], "little")
    return json.loads(message[4 : 4 + length])


def _describe_pane(pane: ImagePane, sections: _Sections) -> dict[str, Any]:
    encoded, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(pane.image[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise ValueError(f"OpenCV could not encode the image of pane {pane.title!r}, shape {pane.image.shape}.")
    class_ids = None if pane.class_ids is None else sections.add(np.ascontiguousarray(pane.class_ids).tobytes())
    return {
        "title": pane.title,
        "grid": pane.grid,
        "jpeg": sections.add(jpeg.tobytes()),
        "classIds": class_ids,
        "classNames": pane.class_names,
    }


def _describe_layer(layer: Layer, sections: _Sections) -> dict[str, Any]:
    colours = np.full((256, 4), 255, dtype=np.uint8)
    colours[:, :3] = VIRIDIS if layer.palette is None else layer.palette
    if layer.alpha is not None:
        colours[:, 3] = layer.alpha
    ends = list(layer.legend) if layer.legend and not layer.is_class_map else None
    swatches = [[label, [int(part) for part in colour]] for label, colour in layer.legend] if layer.is_class_map else []
    return {
        "name": layer.name,
        "title": layer.title,
        "side": layer.side,
        "shape": (0, 0) if layer.values is None else layer.values.shape,
        "values": None if layer.values is None else sections.add(np.ascontiguousarray(layer.values).tobytes()),
        "reason": layer.reason,
        "colours": sections.add(colours.tobytes()),
        "ends": ends,
        "swatches": swatches,
        "range": None if layer.value_range is None else [float(end) for end in layer.value_range],
        "names": layer.value_names,
    }


def _describe_lines(lines: LineSet, panes: Mapping[Side, ImagePane], sections: _Sections) -> dict[str, Any]:
    ends = {"source": np.asarray(lines.source_index), "target": np.asarray(lines.target_index)}
    for side, index in ends.items():
        for extreme in (index.min(), index.max()) if len(index) else ():
            _check_pixel(panes, side, int(extreme), "Line end")
    return {
        **{side: sections.add(index.astype("<u4").tobytes()) for side, index in ends.items()},
        "colours": sections.add(np.asarray(lines.colour_index, np.uint8).tobytes()),
        "swatches": [[name, [int(part) for part in colour]] for name, colour in lines.palette],
        "opacity": min(max(float(lines.opacity), 0.0), 1.0),
    }


def _check_pixel(panes: Mapping[Side, ImagePane], side: Side, index: int, what: str) -> None:
    if side not in panes:
        raise ValueError(f"{what} needs side 'source' or 'target', got {side!r}.")
    rows, columns = panes[side].grid
    if not 0 <= index < rows * columns:
        raise ValueError(
            f"{what} {index} lies outside the {side} grid of {rows} x {columns} feature pixels "
            f"(0 to {rows * columns - 1}). Is the index of the other side, or of the full image?"
        )


def _check_active(active_layer: Mapping[Side, str | None], layers: Sequence[Layer]) -> None:
    for side, name in active_layer.items():
        names = [layer.name for layer in layers if layer.side == side]
        shown = [layer.name for layer in layers if layer.side == side and layer.values is not None]
        if len(set(names)) < len(names):
            raise ValueError(f"Layers of the {side} side need different names, got {names}.")
        if name is not None and name not in shown:
            raise ValueError(f"active_layer names {name!r} on the {side} side, which has {shown or 'no layers'}.")


def _encode(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


def _padded(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT
