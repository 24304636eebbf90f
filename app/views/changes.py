"""The change beside a number."""

from __future__ import annotations


def describe_change(change: str, colour: str = "normal") -> dict[str, str]:
    """Keywords of ``st.metric`` for a change such as "−0.3"; one that rounds to nothing has neither sign, colour nor arrow."""
    if any(digit in change for digit in "123456789"):
        return {"delta": change, "delta_color": colour}
    return {"delta": change.lstrip("+-−"), "delta_color": "off", "delta_arrow": "off"}
