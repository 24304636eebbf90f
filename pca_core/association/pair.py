"""One image pair, swept once and asked many times: what a click, a table and an export all start from."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from pca_core.association.aggregation import PAPER_ALPHA, borrow, mix
from pca_core.association.cycle import AssociationConfig, CycleSearch, as_float, check_pair, search_cycles
from pca_core.association.rows import make_row
from pca_core.association.similarity import Direction, make_map_directions
from pca_core.association.tiled import softmax_matmul
from pca_core.types import IGNORE_INDEX, Association, FeaturePair, Level

Borrowed = dict[tuple[Level, bool], Tensor]


class PairAnalysis:
    """The association of one pair under one config, with what can be asked of it kept as it is computed.

    Args:
        pair: Feature maps and labels.
        config: None is the paper's.
        borrowed: What the target's pixels borrow, filled as it is computed: hand the same dictionary to pairs of the same target.

    Raises:
        ValueError: When the pair cannot be associated, or ``level="prediction"`` is asked for without probabilities.
    """

    def __init__(self, pair: FeaturePair, config: AssociationConfig | None = None, borrowed: Borrowed | None = None) -> None:
        self.pair = pair
        self.config = config or AssociationConfig()
        self._directions: dict[tuple[Level, float, bool], tuple[Direction, Direction]] = {}
        self._borrowed: Borrowed = {} if borrowed is None else borrowed
        self._walk: dict[str, Tensor] = {}
        self._check()
        self.label_S = pair.source_labels.flatten().to(pair.source_features.device, torch.long)

    def with_config(self, config: AssociationConfig) -> PairAnalysis:
        """The same pair under another config; what does not depend on the difference is shared, not computed again."""
        if config == self.config:
            return self
        other = PairAnalysis.__new__(PairAnalysis)
        other.pair, other.config, other.label_S = self.pair, config, self.label_S
        # Directions of another α would pile up: what the ladder needs of them goes along, the rest is cheap by `_borrowed`.
        kept_alphas = {0.0, config.alpha, config.alpha or PAPER_ALPHA}
        other._directions = {key: kept for key, kept in list(self._directions.items()) if key[1] in kept_alphas}
        other._borrowed = self._borrowed
        is_same_walk = replace(config, mutual=self.config.mutual, top_k=self.config.top_k) == self.config
        other._walk = self._walk if is_same_walk else {}
        other._check()
        return other

    def _check(self) -> None:
        pair = self.pair
        check_pair(pair.source_features, pair.target_features, pair.source_labels, self.config, "feature")
        if self.has_predictions:
            check_pair(pair.source_probabilities, pair.target_probabilities, pair.source_labels, self.config, "prediction")
        elif self.config.level == "prediction":
            raise ValueError(
                "level='prediction' needs source_probabilities and target_probabilities in the pair, got None. "
                "Pass the softmax of the model's logits."
            )

    @property
    def has_predictions(self) -> bool:
        return self.pair.source_probabilities is not None and self.pair.target_probabilities is not None

    @cached_property
    def num_classes(self) -> int:
        """Classes that labels or predictions speak of."""
        from_labels = [
            labels[labels != IGNORE_INDEX].max().item() + 1
            for labels in (self.pair.source_labels, self.pair.target_labels)
            if labels is not None and (labels != IGNORE_INDEX).any()
        ]
        from_model = [self.pair.source_probabilities.shape[0]] if self.has_predictions else []
        return int(max(from_labels + from_model, default=1))

    @torch.no_grad()
    def directions(
        self, level: Level | None = None, alpha: float | None = None, contrast_normalisation: bool | None = None
    ) -> tuple[Direction, Direction]:
        """Way there and way back at a level, an α and with or without normalisation (the config's own when left out)."""
        config = self.config
        level = level or config.level
        alpha = config.alpha if alpha is None else alpha
        normalise = config.contrast_normalisation if contrast_normalisation is None else contrast_normalisation
        key = (level, alpha, normalise)
        if key not in self._directions:
            source, target = (
                (self.pair.source_features, self.pair.target_features)
                if level == "feature"
                else (self.pair.source_probabilities, self.pair.target_probabilities)
            )
            target = as_float(target)
            if alpha > 0:
                target = mix(target, self._borrow(target, level, normalise), alpha)
            self._directions[key] = make_map_directions(as_float(source), target, level, contrast_normalisation=normalise)
        return self._directions[key]

    def _borrow(self, target: Tensor, level: Level, normalise: bool) -> Tensor:
        """What target pixels borrow, the dear part of aggregation: it is the same for every α, so it is kept."""
        key = (level, normalise or level == "prediction")
        if key not in self._borrowed:
            self._borrowed[key] = borrow(target, level, normalise)
        return self._borrowed[key]

    @cached_property
    def search(self) -> CycleSearch:
        sizes = self.pair.source_size, self.pair.target_size
        return search_cycles(*self.directions(), self.label_S, sizes, self.config)

    @property
    def association(self) -> Association:
        return self.search.association

    @property
    def class_return_TK(self) -> Tensor:
        """(T, K): probability that a random walk back from each target pixel lands on each class. Kept once computed."""
        if "class_return_TK" not in self._walk:
            self._walk["class_return_TK"] = self._walk_back()
        return self._walk["class_return_TK"]

    @property
    def is_walked(self) -> bool:
        """Whether :attr:`class_return_TK` is there already, so that :meth:`soft_cycle` costs one row and no sweep."""
        return "class_return_TK" in self._walk

    @torch.no_grad()
    def _walk_back(self) -> Tensor:
        one_hot_SK = torch.nn.functional.one_hot(self.label_S.clamp_max(self.num_classes), self.num_classes + 1)[:, :-1]
        _, backward = self.directions()
        normalizer_T = self.search.backward_log_normalizer_T
        return softmax_matmul(backward, one_hot_SK.to(normalizer_T), normalizer_T, self.config.tile_rows)

    @torch.no_grad()
    def soft_cycle(self, index: int) -> float | None:
        """The entry of :attr:`soft_cycle_S` for one source pixel, from one row; None where unlabelled."""
        label = self.label_S[index].item()
        if label == IGNORE_INDEX:
            return None
        there = make_row(self.directions()[0], index)
        return (there.log_probability_N.exp() @ self.class_return_TK[:, label]).item()

    @cached_property
    def soft_cycle_S(self) -> Tensor:
        """(S,): ``P(return to own class | i) = Σ_j p(j|i) Σ_i' p(i'|j) [y_i' = y_i]``; NaN where unlabelled."""
        forward, _ = self.directions()
        walk_SK = softmax_matmul(
            forward, self.class_return_TK, self.search.forward_log_normalizer_S, tile_rows=self.config.tile_rows
        )
        is_labelled = self.label_S != IGNORE_INDEX
        own_S = walk_SK.gather(1, (self.label_S * is_labelled)[:, None])[:, 0]
        return own_S.masked_fill(~is_labelled, torch.nan)
