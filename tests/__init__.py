"""Tests. Torch's threads must not spin while they wait: cores are few, and here torch is loaded before the core can say so."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
