"""The Open Inference Protocol, version 2, alone: requests out of bytes, and answers into bytes.

https://github.com/kserve/open-inference-protocol, with Triton's binary tensors and repository.
"""
