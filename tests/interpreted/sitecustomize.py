"""On the path of a process of Python, this gives vLLM's CPU build its V2 model runner: Triton's kernels are
interpreted (TRITON_INTERPRET=1), and Triton says that it has a CPU backend, which is what vLLM asks of it.

The product needs none of this: on CUDA, Triton compiles.
"""

import sys
import types
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any


class Driver:
    """What vLLM looks at of a backend's driver."""

    @staticmethod
    def is_active() -> bool:
        """It always is."""
        return True


def take_any_mask(builder: type) -> None:
    """Triton 3.9's interpreter takes masks of bool alone: the ngram drafter's is of 0 and 1, which the
    compiler takes, and Triton 3.7's interpreter."""
    for name, place in (("create_masked_load", 1), ("create_masked_store", 2)):
        setattr(builder, name, with_boolean(getattr(builder, name), place))


def with_boolean(method: Callable[..., Any], place: int) -> Callable[..., Any]:
    """The method, of whose arguments this one is a mask."""

    def masked(self: object, *args: Any) -> Any:
        args[place].data = args[place].data.astype(bool)
        return method(self, *args)

    return masked


class Counter(int):
    """A loop's variable: compiled it is a tensor, which the kernel of top_k casts; interpreted, a number."""

    def to(self, dtype: object) -> "Counter":
        """Itself: it has no width."""
        del dtype
        return self


def counters(*bounds: int) -> Iterator[Counter]:
    """In the place of `range`."""
    return map(Counter, range(*bounds))


if find_spec("triton") is not None:
    import triton.backends
    from triton.runtime import interpreter

    triton.backends.backends["cpu"] = types.SimpleNamespace(driver=Driver, compiler=None)
    take_any_mask(interpreter.InterpreterBuilder)
    interpreter.range = counters
else:
    sys.exit("the V2 model runner needs Triton")
