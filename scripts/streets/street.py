"""What a picture of a street depends on. Metres; x right, y ahead, z up."""

from __future__ import annotations

from dataclasses import dataclass, field

DOMAINS = ("noon", "dusk-rain")


@dataclass(frozen=True)
class Item:
    """One thing that stands in the street; ``variant`` chooses among the models of its kind."""

    kind: str
    variant: int
    x: float
    y: float
    yaw: float = 0.0
    scale: float = 1.0
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Building:
    """A house with its front at ``x`` (side −1 left, 1 right; 0 closes the street at ``y``)."""

    side: int
    x: float
    y: float
    length: float
    depth: float
    floors: int
    style: str
    colour: tuple[float, float, float]
    seed: int


@dataclass(frozen=True)
class Camera:
    """Metres and degrees; yaw is to the left, pitch up. ``field_of_view`` is horizontal."""

    x: float
    height: float
    yaw: float
    pitch: float
    roll: float
    field_of_view: float


@dataclass(frozen=True)
class Light:
    """Sun angles in degrees; azimuth is measured from ahead to the right."""

    elevation: float
    azimuth: float


@dataclass
class Street:
    """Everything that a picture of a street depends on."""

    domain: str
    half_road: float
    parking: tuple[float, float]
    pavement: tuple[float, float]
    junction: float | None
    half_cross: float
    is_closed: bool
    camera: Camera
    light: Light
    seed: int
    buildings: list[Building] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)

    def line(self, side: int) -> float:
        """Distance of the building line from the middle of the road."""
        return self.half_road + self.pavement[(side + 1) // 2]

    def is_in_junction(self, y: float, margin: float = 0.0) -> bool:
        return self.junction is not None and abs(y - self.junction) < self.half_cross + margin
