"""Association of many pairs: pairs a second and peak memory for N and 4 N pairs, to see whether cost and memory grow.

    python benchmarks/pairs.py                                # 24 and 96 pairs of the built-in streets, maps of two sizes
    python benchmarks/pairs.py --pairs 100 --side 64 --processes 2

Each row is `cyclelens associate --pairing random:N` in a process of its own, from disk to lines; seconds are those between the
first and the last line, so that loading torch does not count. Memory is the peak resident set of the process. With α = 0.5, as
the command has it. Features are `side / 4` cells high: twice the side is 16 times the similarities.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

SWEEP = """
import json, os, resource, sys, time
from pca_core.association import warm_up
from pca_core.cli import associate, main
times = []
real = associate.associate_pairs
def timed(*given):
    for record in real(*given):
        times.append((time.perf_counter(), time.process_time()))
        yield record
associate.associate_pairs = timed
warm_up()
assert main(["associate", *sys.argv[1:]]) == 0
facts = {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "pairs": len(times) - 1}
facts |= {"seconds": times[-1][0] - times[0][0], "cpu": times[-1][1] - times[0][1]}
with open(f"{sys.argv[-1]}/facts-{os.environ.get('RANK', '0')}", "w") as file:
    json.dump(facts, file)
"""


def sweep(net: Path, number: int, out: Path, processes: int) -> list[dict]:
    """What each process says of its share of so many random pairs."""
    given = ["--source", "streets:noon", "--target", "streets:dusk-rain", "--pairing", f"random:{number}"]
    script = out.with_suffix(".py")
    script.write_text(SWEEP)
    torchrun = [
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={processes}",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=127.0.0.1:0",
    ]
    command = [sys.executable, *(torchrun if processes > 1 else []), str(script), *given]
    done = subprocess.run([*command, "--checkpoint", str(net), "--out", str(out)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(path.read_text()) for path in out.glob("facts-*")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=24, metavar="N", help="and four times as many")
    parser.add_argument("--side", type=int, nargs="+", default=[64, 128], help="short side that images are scaled to, pixels")
    parser.add_argument("--processes", type=int, nargs="+", default=[1])
    arguments = parser.parse_args()
    from pca_core.data.streets import BUILT_IN_NET
    from pca_core.device import describe_machine
    from pca_core.models import load_checkpoint, save_checkpoint

    load = f"load {os.getloadavg()[0]:.1f} at the start"
    print(f"{describe_machine()}, CPU, {load}")
    print(f"{'side':>5} {'processes':>9} {'pairs':>6} {'pairs/s':>9} {'s/pair':>8} {'CPU s/pair':>11} {'peak MiB a process':>19}")
    with tempfile.TemporaryDirectory() as folder:
        for side in arguments.side:
            net = Path(folder) / f"{side}.safetensors"
            save_checkpoint(net, replace(load_checkpoint(BUILT_IN_NET), short_side=side))
            for processes in arguments.processes:
                for number in (arguments.pairs, 4 * arguments.pairs):
                    told = sweep(net, number, Path(folder) / f"{side}-{processes}-{number}", processes)
                    rate = sum(one["pairs"] / one["seconds"] for one in told)
                    cpu = sum(one["cpu"] for one in told) / sum(one["pairs"] for one in told)
                    peak = max(one["peak"] for one in told)
                    print(f"{side:5} {processes:9} {number:6} {rate:9.2f} {1 / rate:8.3f} {cpu:11.3f} {peak:19.0f}", flush=True)


if __name__ == "__main__":
    main()
