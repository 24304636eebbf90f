"""Random views of a labelled image. Every draw comes from a generator that the caller seeds."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pca_core.data import resize_label


@dataclass(frozen=True)
class Augmentation:
    """How far a training view may stray from its image.

    Attributes:
        min_scale, max_scale: Zoom range; below one the crop box would leave the image and is clipped to it.
        flip: Probability of a horizontal mirror image.
        brightness: Added, as a share of full range, up to ±.
        contrast: Multiplied about the mean, up to 1 ±.
        saturation: Multiplied about grey, up to 1 ±.
    """

    min_scale: float = 0.9
    max_scale: float = 2.0
    flip: float = 0.5
    brightness: float = 0.15
    contrast: float = 0.3
    saturation: float = 0.4

    def __call__(
        self, image: np.ndarray, label: np.ndarray, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw one view.

        Args:
            image: (H, W, 3) uint8 RGB.
            label: (H, W) class indices and 255.
            size: (height, width) of the view.
            rng: Source of all randomness.

        Returns:
            Image (height, width, 3) uint8 and label (height, width) uint8.
        """
        image, label = self.place(image, label, size, rng)
        return self.recolour(image, rng), label

    def place(
        self, image: np.ndarray, label: np.ndarray, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The part of a view that moves pixels: crop, zoom and mirror, colours as they are."""
        image, label = self._crop(image, label, size, rng)
        if rng.random() < self.flip:
            image, label = image[:, ::-1], label[:, ::-1]
        return np.ascontiguousarray(image), np.ascontiguousarray(label)

    def _crop(
        self, image: np.ndarray, label: np.ndarray, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        height, width = label.shape
        zoom = np.exp(rng.uniform(np.log(self.min_scale), np.log(self.max_scale)))
        fit = min(height / size[0], width / size[1])  # image pixels per view pixel when the view just fits
        box_height, box_width = (min(round(side * fit / zoom), limit) for side, limit in zip(size, label.shape, strict=True))
        top = int(rng.integers(0, height - box_height + 1))
        left = int(rng.integers(0, width - box_width + 1))
        box = np.s_[top : top + box_height, left : left + box_width]
        interpolation = cv2.INTER_AREA if box_height > size[0] else cv2.INTER_LINEAR
        view = cv2.resize(image[box], size[::-1], interpolation=interpolation)
        return view, resize_label(label[box], size)

    def recolour(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The part of a view that changes colours: brightness, contrast, saturation."""
        brightness = rng.uniform(-self.brightness, self.brightness) * 255
        contrast = 1 + rng.uniform(-self.contrast, self.contrast)
        saturation = 1 + rng.uniform(-self.saturation, self.saturation)
        pixels = image.astype(np.float32)
        grey = pixels.mean(2, keepdims=True)
        pixels = grey + (pixels - grey) * saturation
        mean = pixels.mean()
        pixels = mean + (pixels - mean) * contrast + brightness
        return np.clip(pixels, 0, 255).astype(np.uint8)
