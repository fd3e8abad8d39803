"""What we know about models: cards, files on disk, weights."""

from paddleport.lazy_names import make_callable

make_callable(__name__, "paddleport.api", "models")
