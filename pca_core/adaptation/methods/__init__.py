"""Methods of adaptation, one file each. To add one: a file beside these, a line in ``METHODS``, a test."""

from pca_core.adaptation.methods.adabn import AdaBN
from pca_core.adaptation.methods.base import Method
from pca_core.adaptation.methods.entropy import Entropy
from pca_core.adaptation.methods.plca import PLCA
from pca_core.adaptation.methods.self_training import SelfTraining
from pca_core.adaptation.methods.source_only import SourceOnly

METHODS: dict[str, Method] = {
    "plca": PLCA(),
    "self-training": SelfTraining(),
    "entropy": Entropy(),
    "adabn": AdaBN(),
    "source-only": SourceOnly(),
}
CONTROLS = ("source-only", "adabn")

__all__ = ["CONTROLS", "METHODS", "Method"]
