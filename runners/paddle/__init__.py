"""Native Paddle Inference, and with its TensorRT engine: what the model means.

``program_runner`` is what both runners share, ``paddle_runner`` the plain one and
``paddle_tensorrt_runner`` the other; ``needs`` says what is missing for it here, ``engines``
builds its engines and keeps them.
"""
