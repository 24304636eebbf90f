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

from contenders import make_job

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting processes must not spin on the cores of the one that runs

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
