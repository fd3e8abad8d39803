"""What we know about models: values, files on disk, the zoo and its weights.

``artifact`` and ``preprocess`` hold the values that rooms hand on; ``recognize`` tells formats
from each other; ``resolve`` goes from what a user names to a model and all that is known of it;
``metadata`` checks what files say of a model; ``cache`` keeps what is made once; ``labels`` reads
class names; ``protobuf`` walks its wire format.
"""

from paddleport.lazy_names import make_callable

make_callable(__name__, "paddleport.api", "models")
