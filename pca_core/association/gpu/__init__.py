"""Association, aggregation and the backward pass on a GPU, in Triton; float32 in and out.

Imported only where triton is; :func:`is_trusted` compares the kernels with plain torch once a device before they are used.
"""

from pca_core.association.gpu.attention import attend, iterate_weights, softmax_matmul
from pca_core.association.gpu.scan import MAX_TOP_K, scan
from pca_core.association.gpu.trust import is_trusted

__all__ = ["MAX_TOP_K", "attend", "is_trusted", "iterate_weights", "scan", "softmax_matmul"]
