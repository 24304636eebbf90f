"""Association and its loss beside what one would otherwise run: time and peak extra memory, in one run, as ratios.

    python benchmarks/association.py                          # N = 4,096 and 8,192 pixels a side, C = 256
    python benchmarks/association.py --pixels 5003 --channels 131 --rounds 9

Each contender lives in a process of its own and the parent asks them in turn, round by round, so that a change of the machine's
speed hits all alike; printed are medians, and medians of the ratios within a round. "Extra" is the growth of the peak
resident set over the inputs. Features are drawn around 19 class centres, so that most cycles close: the loss has to work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting processes must not spin on the cores of the one that runs

CLASSES = 19
ASSOCIATE = {
    "associate": "associate (ours: both ways, probabilities, margins)",
    "product": "plain matrix product, N × N kept",
    "tiles": "plain matrix product in strips",
    "faiss": "FAISS flat search, both ways (indices only)",
    "sklearn": "scikit-learn NearestNeighbors, both ways (indices)",
    "naive": "authors' maths written plainly",
}
AGGREGATE = {
    "aggregate": "spatial aggregation of the target (ours)",
    "naive_aggregate": "softmax of the full matrix times the features",
}
LOSS = {
    "loss": "association loss, forward + backward (ours)",
    "naive_loss": "authors' maths written plainly",
}
LOSS_AGGREGATED = {
    "loss_aggregated": "the same with spatial aggregation (ours)",
    "naive_loss_aggregated": "authors' maths written plainly",
}


def make_inputs(pixels: int, channels: int):
    """(1, C, 1, N) source and target features around shared class centres, and (1, 1, N) labels."""
    import torch

    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(CLASSES, channels, generator=generator)
    labels = torch.randint(0, CLASSES, (2, pixels), generator=generator)
    features = centres[labels] + 2.0 * torch.randn(2, pixels, channels, generator=generator)
    source, target = features.transpose(1, 2)[:, :, None].contiguous()
    return source[None], target[None], labels[:1, None]


def naive_scores(source, target):
    import torch
    from torch.nn import functional as F

    matrix = torch.matmul(F.normalize(source, dim=1), F.normalize(target, dim=1).T)
    mean = matrix.mean(1, keepdim=True).detach()
    std = matrix.std(1, keepdim=True).detach()
    return (matrix - mean) / (std + 1e-10)


def naive_associate(source, target):
    """j*, i* and the probability product, from full matrices both ways."""
    there, back = naive_scores(source, target).softmax(1), naive_scores(target, source).softmax(1)
    forward_probability, match = there.max(1)
    backward_probability, home = back.max(1)
    return match, home[match], forward_probability * backward_probability[match]


def naive_loss(source, target, labels, alpha):
    rows, columns = source[0].flatten(1).T, target[0].flatten(1).T
    if alpha:
        columns = (1 - alpha) * columns + alpha * naive_scores(columns, columns).softmax(1) @ columns
    _, home, product = naive_associate(rows, columns)
    label = labels.flatten()
    return -(product[label[home] == label] + 1e-10).log().mean()


def make_job(name: str, pixels: int, channels: int) -> Callable[[], object]:
    """What one round of a contender runs; inputs are made here, outside the clock."""
    import torch

    from pca_core import AssociationConfig, associate, association_loss

    source, target, labels = make_inputs(pixels, channels)
    rows, columns = (side[0].flatten(1).T.contiguous() for side in (source, target))
    if "loss" in name:
        alpha = 0.5 if "aggregated" in name else 0.0
        source.requires_grad_()
        target.requires_grad_()

        def run_loss():
            source.grad = target.grad = None
            value = (
                naive_loss(source, target, labels, alpha)
                if name.startswith("naive")
                else association_loss(source, target, labels, alpha=alpha).value
            )
            value.backward()
            return [value.item(), source.grad.norm().item(), target.grad.norm().item()]

        return run_loss
    if name == "associate":
        config = AssociationConfig(alpha=0.0)

        def run_associate():
            found = associate(source[0], target[0], labels[0], config)
            return [found.target_index.sum().item(), found.return_index.sum().item()]

        return run_associate
    if name.removeprefix("naive_") == "aggregate":
        return _aggregate_job(name, target)
    if name == "naive":
        with torch.no_grad():
            return lambda: [index.sum().item() for index in naive_associate(rows, columns)[:2]]
    return {"product": _product_job, "tiles": _tiles_job, "faiss": _faiss_job, "sklearn": _sklearn_job}[name](rows, columns)


def _product_job(rows, columns):
    return lambda: (rows @ columns.T).shape[0] and None


def _tiles_job(rows, columns):
    from pca_core.association.strips import iterate_strips

    def run() -> None:
        for _ in iterate_strips(rows, columns, None):
            pass

    return run


def _aggregate_job(name, target):
    from pca_core.association.aggregation import aggregate

    columns = target[0].flatten(1).T.contiguous()
    if name == "aggregate":
        return lambda: [aggregate(target, "feature", 1.0).norm().item()]
    return lambda: [(naive_scores(columns, columns).softmax(1) @ columns).norm().item()]


def _sklearn_job(rows, columns):
    from sklearn.neighbors import NearestNeighbors
    from torch.nn import functional as F

    a, b = F.normalize(rows, dim=1).numpy(), F.normalize(columns, dim=1).numpy()

    def search(base, queries):
        return NearestNeighbors(n_neighbors=1, algorithm="brute").fit(base).kneighbors(queries, return_distance=False)[:, 0]

    def run():
        there, back = search(b, a), search(a, b)
        return [int(there.sum()), int(back[there].sum())]

    return run


def _faiss_job(rows, columns):
    import faiss
    from torch.nn import functional as F

    faiss.omp_set_num_threads(os.cpu_count())
    a, b = F.normalize(rows, dim=1).numpy(), F.normalize(columns, dim=1).numpy()

    def search(base, queries):
        index = faiss.IndexFlatIP(base.shape[1])
        index.add(base)
        return index.search(queries, 1)[1][:, 0]

    def run():
        there, back = search(b, a), search(a, b)
        return [int(there.sum()), int(back[there].sum())]

    return run


def peak_extra_mib(job: Callable[[], object]) -> float:
    """Growth of the peak resident set in one run, MiB; the kernel's high-water mark is reset before it."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    job()
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def work(name: str, pixels: int, channels: int) -> None:
    """A contender's process: one run for every line on standard input."""
    import torch

    from pca_core.association import warm_up

    with torch.set_grad_enabled("loss" in name):
        warm_up()
        make_job(name, 256, channels)()  # libraries load and take their buffers
        job = make_job(name, pixels, channels)
        # The first full run tells the memory: later ones reuse what the allocator kept.
        print(json.dumps(peak_extra_mib(job)), flush=True)
        for _ in sys.stdin:
            started = time.perf_counter()
            result = job()
            print(json.dumps((time.perf_counter() - started, result)), flush=True)


class Contender:
    """The parent's end of a contender's process."""

    def __init__(self, name: str, pixels: int, channels: int) -> None:
        command = [sys.executable, __file__, "--work", name, "--pixels", str(pixels), "--channels", str(channels)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.extra: float = json.loads(self.process.stdout.readline())
        self.seconds, self.result = [], None

    def run(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, self.result = json.loads(self.process.stdout.readline())
        self.seconds.append(seconds)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def compare(title: str, names: dict[str, str], pixels: int, channels: int, rounds: int) -> list[str]:
    """Run contenders in turn; the first is ours, ratios are theirs over ours."""
    contenders = {name: Contender(name, pixels, channels) for name in names}
    for _ in range(rounds):
        for contender in contenders.values():
            contender.run()
    for contender in contenders.values():
        contender.close()
    ours = next(iter(contenders.values()))
    lines = [f"\n{title}, N = {pixels:,} pixels a side, C = {channels}, {rounds} rounds"]
    lines.append(f"  {'':52} {'seconds':>8} {'time / ours':>12} {'extra MiB':>10} {'extra / ours':>13}")
    for name, text in names.items():
        one = contenders[name]
        ratio = statistics.median(a / b for a, b in zip(one.seconds, ours.seconds, strict=True))
        share = one.extra / max(ours.extra, 1.0)
        lines.append(f"  {text:52} {statistics.median(one.seconds):8.3f} {ratio:12.2f} {one.extra:10.0f} {share:13.1f}")
    lines.append("  " + agreement(contenders))
    return lines


def agreement(contenders: dict[str, Contender]) -> str:
    """Whether all that give an answer give the same."""
    answers = {name: one.result for name, one in contenders.items() if one.result}
    first, *others = answers.values()
    worst = max((abs(a - b) / max(abs(a), 1e-12) for other in others for a, b in zip(first, other, strict=True)), default=0.0)
    return (
        f"answers of {', '.join(answers)} differ by at most {worst:.1e} (relative; sums of indices, or loss and gradient norms)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, nargs="+", default=[4096, 8192], metavar="N")
    parser.add_argument("--channels", type=int, default=256, metavar="C")
    parser.add_argument("--wide", type=int, default=2048, metavar="C", help="a second width for aggregation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.pixels[0], arguments.channels)
        return
    import torch

    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads, CPU")
    for pixels in arguments.pixels:
        for title, names in (("Association", ASSOCIATE), ("Loss", LOSS), ("Loss with aggregation", LOSS_AGGREGATED)):
            print("\n".join(compare(title, names, pixels, arguments.channels, arguments.rounds)), flush=True)
        for channels in dict.fromkeys((arguments.channels, arguments.wide)):
            print("\n".join(compare("Aggregation", AGGREGATE, pixels, channels, arguments.rounds)), flush=True)


if __name__ == "__main__":
    main()
