"""The paper's formulas written out with full matrices, slow and obvious: what the fast code is held against."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def similarity(a_RC, b_NC, level):
    if level == "feature":
        return F.normalize(a_RC, dim=1) @ F.normalize(b_NC, dim=1).T
    log_a, log_b = (a_RC + 1e-10).log(), (b_NC + 1e-10).log()
    return -(a_RC[:, None] * (log_a[:, None] - log_b[None])).sum(2)


def contrast_normalise(matrix):
    mean = matrix.mean(1, keepdim=True).detach()
    std = matrix.std(1, keepdim=True).detach()
    return (matrix - mean) / std


def aggregate(target_TC, level, alpha):
    matrix = similarity(target_TC, target_TC, level)
    weights = (contrast_normalise(matrix) if level == "feature" else matrix).softmax(1)
    return (1 - alpha) * target_TC + alpha * weights @ target_TC


def associate(source_SC, target_TC, level, alpha):
    """Matrices of log-probabilities both ways and the raw similarities, after aggregation."""
    target_TC = aggregate(target_TC, level, alpha)
    there, back = similarity(source_SC, target_TC, level), similarity(target_TC, source_SC, level)
    return contrast_normalise(there).log_softmax(1), contrast_normalise(back).log_softmax(1), there, back


def association_loss(source, target, labels, level, alpha):
    """(B, C, h, w) → scalar."""
    terms = []
    for source_CHW, target_CHW, label in zip(source, target, labels, strict=True):
        log_there, log_back, there, back = associate(source_CHW.flatten(1).T, target_CHW.flatten(1).T, level, alpha)
        label_S = label.flatten()
        match = there.argmax(1)
        home = back.argmax(1)[match]
        consistent = (label_S[home] == label_S) & (label_S != 255)
        rows = torch.arange(len(label_S))
        terms.append((log_there[rows, match] + log_back[match, home])[consistent])
    return -torch.cat(terms).mean()
