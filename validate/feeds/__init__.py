"""The tensors that every runtime is fed with."""
