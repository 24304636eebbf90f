"""Batch-norm statistics: re-estimated on the target, or kept for each domain."""

from __future__ import annotations

import torch
from torch import nn

from pca_core.adaptation import with_target_statistics
from pca_core.adaptation.batch_norm import DomainStatistics, StatisticsEstimator, batch_norms, statistics_batches
from pca_core.data import encode_png, read_image
from tests.unit.adaptation_data import make_checkpoint, open_domains


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_statistics_come_from_images_alone_and_on_a_copy(tmp_path):
    _, target = open_domains(tmp_path)
    checkpoint = make_checkpoint(target)
    before = weights(checkpoint.model)
    adapted = with_target_statistics(checkpoint, target).model
    assert all(torch.equal(before[name], tensor) for name, tensor in checkpoint.model.state_dict().items())
    assert not adapted.training
    changed = {name for name, tensor in adapted.state_dict().items() if not torch.equal(before[name], tensor)}
    assert {name.rpartition(".")[2] for name in changed} == {"running_mean", "running_var", "num_batches_tracked"}


def test_every_batch_counts_the_same():
    net = nn.Sequential(nn.BatchNorm2d(1, momentum=0.3))
    estimator = StatisticsEstimator(net)
    for value in (1.0, 2.0, 6.0):
        estimator.see(torch.full((2, 1, 3, 3), value))
    assert net[0].running_mean.item() == 3.0
    assert net[0].momentum == 0.3
    assert not net.training


def test_an_interrupted_estimate_goes_on():
    whole, parts = nn.Sequential(nn.BatchNorm2d(2)), nn.Sequential(nn.BatchNorm2d(2))
    batches = torch.randn(4, 3, 2, 5, 5, generator=torch.Generator().manual_seed(0)).unbind()
    estimator = StatisticsEstimator(whole)
    for batch in batches:
        estimator.see(batch)
    first = StatisticsEstimator(parts)
    first.see(batches[0])
    first.see(batches[1])
    second = StatisticsEstimator.resume(parts)
    second.see(batches[2])
    second.see(batches[3])
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True))


def test_images_of_mixed_sizes_stand_with_their_like(tmp_path):
    _, target = open_domains(tmp_path, num_target=3)
    path = target.image_path(target.names[1])
    path.write_bytes(encode_png(read_image(path)[:, :32]))
    unlabelled = target.subset(target.names, is_labelled=False)
    assert statistics_batches(make_checkpoint(target), unlabelled, batch_size=2) == [[0, 2], [1]]
    with_target_statistics(make_checkpoint(target), target)  # a label that does not fit its image is not looked at


def test_each_domain_keeps_its_own_statistics():
    net = nn.Sequential(nn.BatchNorm2d(1, momentum=1.0)).train()
    kept = DomainStatistics(net)
    net(torch.full((1, 1, 2, 2), 5.0))
    with kept.use("target"):
        net(torch.full((1, 1, 2, 2), -3.0))
        assert net[0].running_mean.item() == -3.0
        assert net.state_dict()["0.running_mean"].item() == -3.0
    assert net[0].running_mean.item() == 5.0
    saved = {name: tensor.clone() for name, tensor in kept.tensors().items()}
    other = DomainStatistics(nn.Sequential(nn.BatchNorm2d(1)))
    other.load(saved)
    assert other.tensors()["0.running_mean"].item() == -3.0
    assert len(batch_norms(net)) == 1
