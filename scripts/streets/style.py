"""What makes a domain: camera, light, materials and how often things occur."""

from __future__ import annotations

from dataclasses import dataclass

from .canvas import RGB

Range = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """One domain. Ranges are drawn uniformly; counts are inclusive bounds."""

    name: str
    night: bool
    focal: Range
    height: Range
    horizon: Range
    pavement_width: Range
    sun_rgb: RGB
    ambient: RGB
    haze_rgb: RGB
    haze_far: float
    asphalt: RGB
    paving: RGB
    kerb: RGB
    marking: RGB
    walls: tuple[RGB, ...]
    roofs: tuple[RGB, ...]
    facades: tuple[str, ...]
    floors: tuple[int, int]
    frontage: Range
    leaves: tuple[RGB, ...]
    trunk: RGB
    cars: tuple[RGB, ...]
    clothes: tuple[RGB, ...]
    metal: tuple[RGB, ...]
    parked: float
    driving: tuple[int, int]
    people: tuple[int, int]
    cyclists: tuple[int, int]
    signs: tuple[int, int]
    fences: tuple[int, int]
    tree_step: Range
    lamp_step: Range
    gap: float
    lit: float


NOON = Style(
    name="noon",
    night=False,
    focal=(285, 310),
    height=(1.5, 1.75),
    horizon=(112, 122),
    pavement_width=(3.2, 4.6),
    sun_rgb=(0.78, 0.72, 0.58),
    ambient=(0.52, 0.57, 0.68),
    haze_rgb=(196, 219, 240),
    haze_far=260.0,
    asphalt=(118, 120, 126),
    paving=(186, 174, 156),
    kerb=(206, 202, 194),
    marking=(248, 248, 244),
    walls=(
        (240, 222, 186),
        (236, 196, 140),
        (226, 158, 132),
        (182, 208, 196),
        (176, 198, 224),
        (244, 240, 230),
        (232, 208, 206),
        (214, 206, 160),
    ),
    roofs=((196, 92, 62), (178, 78, 58), (206, 116, 74), (120, 92, 92)),
    facades=("plaster", "stone", "white"),
    floors=(2, 5),
    frontage=(8, 15),
    leaves=((86, 158, 62), (108, 172, 66), (70, 142, 70), (136, 182, 70)),
    trunk=(122, 88, 62),
    cars=(
        (214, 52, 46),
        (40, 98, 196),
        (246, 190, 40),
        (238, 240, 242),
        (44, 160, 142),
        (232, 118, 42),
        (150, 156, 166),
        (62, 66, 76),
    ),
    clothes=(
        (222, 64, 74),
        (250, 200, 60),
        (52, 112, 206),
        (246, 246, 240),
        (74, 176, 120),
        (170, 82, 176),
        (240, 140, 70),
        (58, 62, 92),
    ),
    metal=((70, 78, 88), (92, 100, 106), (52, 84, 74)),
    parked=0.52,
    driving=(2, 4),
    people=(7, 11),
    cyclists=(3, 5),
    signs=(6, 9),
    fences=(4, 7),
    tree_step=(9, 14),
    lamp_step=(16, 22),
    gap=0.28,
    lit=0.0,
)

DUSK = Style(
    name="dusk",
    night=True,
    focal=(335, 360),
    height=(1.18, 1.34),
    horizon=(120, 132),
    pavement_width=(2.8, 4.0),
    sun_rgb=(0.34, 0.24, 0.17),
    ambient=(0.60, 0.61, 0.74),
    haze_rgb=(186, 158, 158),
    haze_far=125.0,
    asphalt=(84, 86, 96),
    paving=(122, 118, 118),
    kerb=(146, 144, 142),
    marking=(210, 208, 196),
    walls=(
        (142, 76, 62),
        (120, 66, 60),
        (166, 106, 82),
        (146, 144, 144),
        (112, 118, 128),
        (176, 164, 146),
        (96, 84, 84),
    ),
    roofs=((74, 74, 84), (92, 84, 84), (64, 70, 76)),
    facades=("brick", "concrete", "glass", "brick"),
    floors=(3, 9),
    frontage=(9, 20),
    leaves=((150, 104, 52), (116, 100, 56), (166, 84, 48), (92, 100, 62)),
    trunk=(72, 60, 56),
    cars=(
        (58, 62, 70),
        (120, 126, 134),
        (206, 208, 212),
        (42, 44, 50),
        (96, 36, 40),
        (38, 56, 92),
        (176, 168, 152),
    ),
    clothes=(
        (58, 60, 74),
        (82, 72, 66),
        (108, 106, 112),
        (136, 60, 56),
        (60, 84, 92),
        (150, 132, 104),
        (44, 46, 52),
    ),
    metal=((126, 130, 134), (104, 106, 108), (84, 82, 80)),
    parked=0.68,
    driving=(2, 5),
    people=(5, 10),
    cyclists=(2, 5),
    signs=(5, 8),
    fences=(3, 6),
    tree_step=(11, 20),
    lamp_step=(13, 18),
    gap=0.2,
    lit=0.38,
)

STYLES = {"noon": NOON, "dusk": DUSK}
