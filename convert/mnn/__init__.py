"""What the target ``mnn`` is made of: MNN's converter, and what is done before and after it."""
