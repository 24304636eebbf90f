"""Tests. Torch's waiting threads must not spin: many tests share few cores, and the core's own word comes after torch is loaded."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
