"""Where everything stands: a street drawn up from a domain, a seed and an index alone, without Blender."""

from __future__ import annotations

import numpy as np

from scripts.streets.colours import CAR_COLOURS, CLOTHES, PALETTES
from scripts.streets.street import DOMAINS, Building, Camera, Item, Light, Street

FAR = 170.0  # metres ahead to which a street is furnished


STYLES = {"noon": (("plaster",), (1.0,)), "dusk-rain": (("brick", "concrete", "glass"), (0.45, 0.35, 0.2))}


def lay_out(domain: str, seed: int, index: int) -> Street:
    """Draw up street ``index`` of a seed; the same three arguments always give the same street."""
    if domain not in DOMAINS:
        raise ValueError(f"domain must be one of {', '.join(DOMAINS)}, got {domain!r}.")
    rng = np.random.default_rng([DOMAINS.index(domain), seed, index])
    street = _plan(domain, rng)
    for side in (-1, 1):
        _build_row(street, side, rng)
        _furnish(street, side, rng)
        _park(street, side, rng)
        _people(street, side, rng)
    if street.is_closed:
        _close(street, rng)
    _drive(street, rng)
    _junction_items(street, rng)
    return street


def _plan(domain: str, rng: np.random.Generator) -> Street:
    is_noon = domain == "noon"
    lanes = 3.1 * (1 if rng.random() < 0.8 else 2) if is_noon else 3.4 * (1 if rng.random() < 0.45 else 2)
    parking = tuple(float(rng.random() < (0.75 if is_noon else 0.55)) * 2.1 for _ in range(2))
    half = lanes + max(parking)
    own_lane = lanes / 2 if lanes < 4 else lanes * rng.choice([0.25, 0.72])
    camera = (
        Camera(
            own_lane + rng.normal(0, 0.2),
            rng.uniform(1.55, 1.85),
            rng.normal(0, 3),
            rng.normal(-1.5, 0.8),
            0.0,
            rng.uniform(68, 76),
        )
        if is_noon
        else Camera(
            own_lane + rng.normal(0, 0.5),
            rng.uniform(1.05, 1.3),
            rng.normal(0, 5),
            rng.normal(1, 1.2),
            rng.normal(0, 1.2),
            rng.uniform(50, 60),
        )
    )
    light = (
        Light(rng.uniform(42, 65), rng.choice([-1, 1]) * rng.uniform(35, 150))
        if is_noon
        else Light(rng.uniform(2, 7), rng.uniform(-60, 60))
    )
    return Street(
        domain,
        half,
        parking,
        tuple(rng.uniform(2.0, 3.2, 2) if is_noon else rng.uniform(2.6, 4.8, 2)),
        float(rng.uniform(24, 75)) if rng.random() < 0.55 else None,
        float(rng.uniform(3.5, 6)),
        bool(rng.random() < 0.4),
        camera,
        light,
        int(rng.integers(2**31)),
    )


def _build_row(street: Street, side: int, rng: np.random.Generator) -> None:
    is_noon = street.domain == "noon"
    y = -12.0
    while y < FAR:
        length = rng.uniform(8, 15) if is_noon else rng.uniform(12, 26)
        if street.is_in_junction(y, 1) or street.is_in_junction(y + length, 1):
            y = street.junction + street.half_cross + 1.0 if y + length > street.junction else y + 1
            y += 2
            continue
        if rng.random() < (0.2 if is_noon else 0.24):
            _yard(street, side, y, length, rng)
        else:
            styles, weights = STYLES[street.domain]
            style = str(rng.choice(styles, p=weights))
            floors = int(rng.integers(2, 5)) if is_noon else int(rng.integers(3, 7)) + (4 if style == "glass" else 0)
            palette = PALETTES[style]
            colour = tuple(np.clip(np.array(palette[rng.integers(len(palette))]) * rng.uniform(0.85, 1.1), 0, 1))
            setback = 0.0 if is_noon else float(rng.choice([0.0, 0.0, 1.5]))
            x = side * (street.line(side) + setback)
            street.buildings.append(
                Building(side, x, y, length - 0.05, rng.uniform(9, 13), floors, style, colour, int(rng.integers(2**31)))
            )
        y += length
        if not is_noon and rng.random() < 0.3:
            y += rng.uniform(1, 4)


def _yard(street: Street, side: int, y: float, length: float, rng: np.random.Generator) -> None:
    """A gap between houses: a fence along the pavement, trees behind it."""
    x = side * street.line(side)
    variant = int(rng.integers(3))
    for start in np.arange(y, y + length - 1.9, 2.0):
        street.items.append(Item("fence", variant, x, start + 1.0))
    for _ in range(int(length / 4) + 1):
        street.items.append(
            Item(
                "tree",
                int(rng.integers(6)),
                x + side * rng.uniform(2, 9),
                y + rng.uniform(0, length),
                rng.uniform(0, 6.3),
                rng.uniform(0.8, 1.3),
            )
        )


def _furnish(street: Street, side: int, rng: np.random.Generator) -> None:
    is_noon = street.domain == "noon"
    kerb = side * (street.half_road + 0.45)
    spacing = rng.uniform(20, 30)
    for y in np.arange(rng.uniform(4, 16), FAR, spacing):
        if not street.is_in_junction(y, 2):
            street.items.append(Item("lamp", int(rng.integers(2)), kerb, y, 0.0 if side > 0 else np.pi))
    if rng.random() < (0.6 if is_noon else 0.5):
        for y in np.arange(rng.uniform(9, 20), FAR, rng.uniform(8, 14)):
            if not street.is_in_junction(y, 4):
                street.items.append(
                    Item("tree", int(rng.integers(6)), kerb + side * 0.35, y, rng.uniform(0, 6.3), rng.uniform(0.65, 0.95))
                )
    for y in rng.uniform(6, 70, rng.integers(1, 4)):
        if not street.is_in_junction(y, 2):
            street.items.append(Item("sign", int(rng.integers(6)), kerb, y, rng.normal(0, 0.12)))
    if not is_noon:
        for y in np.arange(rng.uniform(5, 30), FAR, 34.0):
            street.items.append(Item("utility", 0, side * (street.line(side) - 0.5), y))
    _bar(street, side, kerb, rng)


def _bar(street: Street, side: int, kerb: float, rng: np.random.Generator) -> None:
    """Bollards or a rail along the kerb of some streets."""
    if rng.random() < 0.35:
        start = rng.uniform(4, 40)
        if rng.random() < 0.5:
            street.items.extend(
                Item("bollard", 0, kerb, y)
                for y in np.arange(start, start + rng.uniform(8, 20), 2.2)
                if not street.is_in_junction(y, 1)
            )
        else:
            ys = np.arange(start, start + rng.uniform(6, 18), 2.0)
            street.items.extend(Item("fence", 3, kerb, y) for y in ys if not street.is_in_junction(y, 2))


def _park(street: Street, side: int, rng: np.random.Generator) -> None:
    if not street.parking[(side + 1) // 2]:
        return
    y = rng.uniform(3, 14)
    while y < FAR:
        if rng.random() < (0.6 if street.domain == "noon" else 0.7) and not street.is_in_junction(y, 5):
            yaw = (0.0 if side > 0 else np.pi) + rng.normal(0, 0.02)
            street.items.append(_car(street, side * (street.half_road - 1.1 + rng.normal(0, 0.08)), y, yaw, rng))
        y += rng.uniform(5.3, 6.6)


def _car(street: Street, x: float, y: float, yaw: float, rng: np.random.Generator, *, is_moving: bool = False) -> Item:
    weights = [0.35, 0.25, 0.2, 0.15, 0.05] if street.domain == "noon" else [0.15, 0.25, 0.35, 0.15, 0.10]
    colours = CAR_COLOURS[street.domain]
    kind = "moving car" if is_moving else "car"
    return Item(kind, int(rng.choice(5, p=weights)), x, y, yaw, rng.uniform(0.97, 1.04), colours[rng.integers(len(colours))])


def _drive(street: Street, rng: np.random.Generator) -> None:
    """Traffic: ahead in one's own lanes, oncoming on the left; cyclists by the kerb."""
    for x, yaw, count, nearest in ((street.camera.x, 0.0, 2, 13), (-abs(street.camera.x), np.pi, 3, 9)):
        y = nearest + rng.exponential(14)
        for _ in range(rng.integers(0, count + 1)):
            street.items.append(_car(street, x + rng.normal(0, 0.25), y, yaw + rng.normal(0, 0.02), rng, is_moving=True))
            y += 9 + rng.exponential(16)
    clothes = CLOTHES[street.domain]
    for _ in range(rng.integers(0, 3)):
        side = rng.choice([-1, 1])
        x = side * (street.half_road - street.parking[(side + 1) // 2] - rng.uniform(0.5, 0.9))
        yaw = (0.0 if side > 0 else np.pi) + rng.normal(0, 0.06)
        street.items.append(
            Item(
                "cyclist",
                int(rng.integers(3)),
                x,
                rng.uniform(6.5, 34),
                yaw,
                rng.uniform(0.95, 1.05),
                clothes[rng.integers(len(clothes))],
            )
        )


def _people(street: Street, side: int, rng: np.random.Generator) -> None:
    clothes = CLOTHES[street.domain]
    for _ in range(rng.integers(1, 6)):
        y = 5 + rng.exponential(18)
        x = side * rng.uniform(street.half_road + 0.9, street.line(side) - 0.5)
        for k in range(1 + (rng.random() < 0.25)):
            yaw, colour = rng.choice([0.0, np.pi]) + rng.normal(0, 0.3), clothes[rng.integers(len(clothes))]
            street.items.append(Item("person", int(rng.integers(6)), x + 0.6 * k, y, yaw, rng.uniform(0.92, 1.06), colour))


def _junction_items(street: Street, rng: np.random.Generator) -> None:
    if street.junction is None:
        return
    near = street.junction - street.half_cross - 1.2
    if rng.random() < 0.7:
        for side in (-1, 1):
            street.items.append(Item("traffic light", int(rng.integers(2)), side * (street.half_road + 0.5), near, 0.0))
    clothes = CLOTHES[street.domain]
    for _ in range(rng.integers(0, 4)):  # people on the crossing
        colour = clothes[rng.integers(len(clothes))]
        x = rng.uniform(-street.half_road, street.half_road)
        street.items.append(
            Item("person", int(rng.integers(6)), x, near - 1.6 + rng.normal(0, 0.5), rng.choice([-1, 1]) * np.pi / 2, 1.0, colour)
        )
    if rng.random() < 0.6:
        side = rng.choice([-1, 1])
        x = side * rng.uniform(street.half_road + 2, 22)
        street.items.append(
            _car(street, x, street.junction - side * street.half_cross / 2, -side * np.pi / 2, rng, is_moving=True)
        )


def _close(street: Street, rng: np.random.Generator) -> None:
    """Houses across the end of the street."""
    styles, weights = STYLES[street.domain]
    y, x = float(rng.uniform(95, 150)), -45.0
    street.buildings[:] = [building for building in street.buildings if building.y + building.length < y - 14]
    street.items[:] = [item for item in street.items if item.y < y - 12]
    while x < 45:
        style = str(rng.choice(styles, p=weights))
        length = rng.uniform(9, 16)
        palette = PALETTES[style]
        floors = int(rng.integers(2, 6))
        street.buildings.append(
            Building(0, x, y, length - 0.05, 10.0, floors, style, palette[rng.integers(len(palette))], int(rng.integers(2**31)))
        )
        x += length
