"""Backends that read pictures themselves: whether they make the same tensors of them.

``sample_files`` draws files of all kinds; ``picture_check`` has both sides prepare them;
``tensor_difference`` says by how much two tensors are apart; ``picture_findings`` is the result.
"""
