"""One file per runtime, and the registry that finds them."""
