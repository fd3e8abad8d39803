"""Where two computations part: the first node whose value is no longer the same."""

from typing import TYPE_CHECKING

from paddleport.lazy_names import lazy_names

if TYPE_CHECKING:
    from paddleport.validate.bisect.both import check_backend, locate
    from paddleport.validate.bisect.converter import locate_converter
    from paddleport.validate.bisect.located import Located, TensorRange
    from paddleport.validate.bisect.runtime import locate_runtime

__all__ = [
    "Located",
    "TensorRange",
    "check_backend",
    "locate",
    "locate_converter",
    "locate_runtime",
]
__getattr__ = lazy_names(
    __name__,
    {
        "Located": "located",
        "TensorRange": "located",
        "check_backend": "both",
        "locate": "both",
        "locate_converter": "converter",
        "locate_runtime": "runtime",
    },
)
