"""``paddleport serve``: opened models over the Open Inference Protocol, REST and gRPC.

Rooms: ``open_inference`` is the protocol alone, bytes to requests and answers to bytes; ``hosting``
holds models in worker processes, with batches, queues and deadlines, and proves them before they
are ready; ``rest`` and ``rpc`` join the two; ``page`` is what a browser is given at ``/``.
"""
