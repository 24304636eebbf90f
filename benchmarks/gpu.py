"""Association on a GPU beside the product alone: seconds, ratios, memory, and how far the fast precisions agree.

    python benchmarks/gpu.py                                  # N = 32,768 pixels a side, C = 256 and 2,048
    python benchmarks/gpu.py --pixels 7919 --channels 131
    python benchmarks/gpu.py --tune                           # other shapes of a tile

    python benchmarks/gpu.py --agreement --device cpu          # how far the fast precisions agree, which needs no GPU

Contenders take turns, round by round; printed are medians, and medians of the ratios within a round. Without a GPU one line
says so. ``TRITON_INTERPRET=1 python benchmarks/gpu.py --device cpu --pixels 200 --channels 24 --rounds 1`` runs every row,
to see that it runs: its times mean nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from contenders import Shape, make_inputs

from pca_core import AssociationConfig, associate, association_loss
from pca_core.association import aggregation, likelihood, tiled
from pca_core.association.precision import measure_agreement
from pca_core.association.similarity import make_map_directions

PLAIN = AssociationConfig(alpha=0.0)
TILES = ((128, 128, 8, 3), (128, 64, 4, 3), (64, 128, 4, 3), (64, 128, 8, 3), (128, 256, 8, 3), (64, 64, 4, 3))


@contextmanager
def without_kernels() -> Iterator[None]:
    """Plain torch tiles, as where triton is not installed."""
    kept = tiled.find_fused, likelihood.find_gpu, aggregation.find_gpu
    tiled.find_fused = likelihood.find_gpu = aggregation.find_gpu = lambda *_: None
    try:
        yield
    finally:
        tiled.find_fused, likelihood.find_gpu, aggregation.find_gpu = kept


def pretend() -> None:
    """Let the kernels take what lies on the CPU, as the interpreter does."""
    from pca_core.association import gpu

    tiled.find_fused = likelihood.find_gpu = aggregation.find_gpu = lambda *_: gpu
    likelihood.find_gradients = lambda *_: None


def time_once(job: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds of one run, and growth of the device's peak memory over what lay there before, GiB (0 on the CPU)."""
    if device.type != "cuda":
        started = time.perf_counter()
        job()
        return time.perf_counter() - started, 0.0
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    started = time.perf_counter()
    job()
    torch.cuda.synchronize(device)
    return time.perf_counter() - started, (torch.cuda.max_memory_allocated(device) - before) / 2**30


def show(title: str, jobs: dict[str, Callable[[], object]], rounds: int, device: torch.device, work: float) -> None:
    """Run the jobs in turn; ratios are of each to the first. ``work`` is operations of the product, for Tflop/s."""
    for job in jobs.values():
        job()  # compiles, and takes its buffers
    seen = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            seen[name].append(time_once(job, device))
    first = next(iter(seen.values()))
    print(f"\n{title}\n  {'':58} {'ms':>9} {'/ first':>8} {'Tflop/s':>8} {'extra GiB':>10}")
    for name, runs in seen.items():
        seconds = statistics.median(run[0] for run in runs)
        ratio = statistics.median(run[0] / other[0] for run, other in zip(runs, first, strict=True))
        print(f"  {name:58} {seconds * 1e3:9.2f} {ratio:8.2f} {work / seconds / 1e12:8.1f} {max(run[1] for run in runs):10.2f}")


def time_association(maps: list[torch.Tensor], labels: torch.Tensor, rounds: int, device: torch.device) -> None:
    source, target = maps
    rows, columns = (side.flatten(1).T.contiguous() for side in maps)
    result = rows.new_empty(len(rows), len(columns))

    def tiles() -> None:
        with without_kernels():
            associate(source, target, labels, PLAIN)

    jobs = {
        "cuBLAS float32 product, N × N kept": lambda: torch.mm(rows, columns.T, out=result),
        "associate (ours, exact)": lambda: associate(source, target, labels, PLAIN),
        "associate, torch tiles": tiles,
    }
    for precision in ("tf32", "bf16"):
        config = replace(PLAIN, precision=precision)
        jobs[f"associate (ours, fast: {precision})"] = lambda config=config: associate(source, target, labels, config)
    jobs |= faiss_jobs(rows, columns)
    pixels, channels = rows.shape
    show(f"Association both ways, N = {pixels:,}, C = {channels:,}", jobs, rounds, device, 2 * pixels**2 * channels)
    with without_kernels():
        plain = associate(source, target, labels, PLAIN)
    print("  exact beside torch tiles:", measure_agreement(plain, associate(source, target, labels, PLAIN)))
    show_agreement(maps, labels)


def show_agreement(maps: list[torch.Tensor], labels: torch.Tensor) -> None:
    """The fast precisions beside the exact one."""
    source, target = maps
    exact = associate(source, target, labels, PLAIN)
    for precision in ("tf32", "bf16"):
        fast = associate(source, target, labels, replace(PLAIN, precision=precision))
        print(f"  {precision} beside exact:", measure_agreement(exact, fast))


def faiss_jobs(rows: torch.Tensor, columns: torch.Tensor) -> dict[str, Callable[[], object]]:
    """FAISS on the GPU, where its build is installed."""
    try:
        import faiss
        import faiss.contrib.torch_utils  # takes tensors

        resources = faiss.StandardGpuResources()
    except (ImportError, AttributeError):
        return {}

    def search() -> None:
        for base, queries in ((columns, rows), (rows, columns)):
            index = faiss.GpuIndexFlatIP(resources, base.size(1))
            index.add(torch.nn.functional.normalize(base))
            index.search(torch.nn.functional.normalize(queries), 1)

    return {"FAISS flat search on the GPU, both ways (indices)": search}


def time_training(maps: list[torch.Tensor], labels: torch.Tensor, rounds: int, device: torch.device) -> None:
    """Aggregation alone, and the loss with it forward and backward, with the kernels and without."""
    source, target = (side[None] for side in maps)
    pixels, channels = target[0].flatten(1).T.shape
    leaves = source.clone().requires_grad_(), target.clone().requires_grad_()

    def loss(alpha: float) -> None:
        for leaf in leaves:
            leaf.grad = None
        association_loss(*leaves, labels[None], alpha=alpha).value.backward()

    def plain(job: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            with without_kernels():
                job()

        return run

    def aggregate() -> None:
        with torch.no_grad():
            aggregation.aggregate(target, "feature", 1.0)

    def forced() -> None:
        """The kernels at widths that torch's attention takes as well."""
        kept, aggregation.WIDE = aggregation.WIDE, 0
        try:
            aggregate()
        finally:
            aggregation.WIDE = kept

    jobs = {"as chosen": aggregate, "our kernels": forced, "torch's attention": plain(aggregate)}
    show(f"Aggregation, N = {pixels:,}, C = {channels:,}", jobs, rounds, device, 4 * pixels**2 * channels)
    jobs = {}
    for alpha, title in ((0.0, "association loss"), (0.5, "with aggregation")):
        jobs[f"{title} (ours)"] = lambda alpha=alpha: loss(alpha)
        jobs[f"{title}, torch tiles and attention"] = plain(lambda alpha=alpha: loss(alpha))
    show(f"Loss, forward and backward, N = {pixels:,}, C = {channels:,}", jobs, rounds, device, 2 * pixels**2 * channels)


def tune(maps: list[torch.Tensor], rounds: int, device: torch.device) -> None:
    """The scan alone in tiles of other shapes."""
    from pca_core.association import gpu
    from pca_core.association.gpu.launch import Blocks, choose_blocks

    directions = make_map_directions(*maps, "feature")
    jobs = {}
    for blocks in (choose_blocks(device), *(Blocks(rows, columns, 32, *how) for rows, columns, *how in TILES)):
        job = lambda blocks=blocks: gpu.scan(*directions, 2, None, blocks)  # noqa: E731
        try:
            job()
        except Exception as error:  # a shape that this card has no room for
            print(f"  {blocks}: {type(error).__name__}")
            continue
        jobs[f"{'chosen: ' if not jobs else ''}{blocks}"] = job
    channels, pixels = maps[0].flatten(1).shape
    show(f"Shapes of a tile, N = {pixels:,}, C = {channels:,}", jobs, rounds, device, 2 * pixels**2 * channels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, nargs="+", default=[32768], metavar="N")
    parser.add_argument("--channels", type=int, nargs="+", default=[256, 2048], metavar="C")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tune", action="store_true", help="time other shapes of a tile, and nothing else")
    parser.add_argument("--agreement", action="store_true", help="only how far the fast precisions agree")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no CUDA device: the GPU rows are left out")
        return
    if device.type == "cpu" and not arguments.agreement:
        pretend()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, where times mean nothing"
    print(f"{name}, torch {torch.__version__}, TF32 in torch.mm: {torch.backends.cuda.matmul.allow_tf32}")
    for pixels in arguments.pixels:
        for channels in arguments.channels:
            source, target, labels = (tensor[0].to(device) for tensor in make_inputs(Shape(pixels, pixels, channels)))
            if arguments.agreement:
                print(f"N = {pixels:,}, C = {channels:,}")
                show_agreement([source, target], labels)
                continue
            if arguments.tune:
                tune([source, target], arguments.rounds, device)
                continue
            time_association([source, target], labels, arguments.rounds, device)
            time_training([source, target], labels, arguments.rounds, device)


if __name__ == "__main__":
    main()
