"""On the path of a process of Python, this gives vLLM's CPU build its V2 model runner: Triton's kernels are
interpreted (TRITON_INTERPRET=1), and Triton says that it has a CPU backend, which is what vLLM asks of it.

The product needs none of this: on CUDA, Triton compiles.
"""

import sys
import types
from importlib.util import find_spec


class Driver:
    """What vLLM looks at of a backend's driver."""

    @staticmethod
    def is_active() -> bool:
        """It always is."""
        return True


if find_spec("triton") is not None:
    import triton.backends

    triton.backends.backends["cpu"] = types.SimpleNamespace(driver=Driver, compiler=None)
else:
    sys.exit("the V2 model runner needs Triton")
