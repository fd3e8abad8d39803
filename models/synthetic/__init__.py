"""Pictures drawn here, the same bits on every machine.

``samples`` is the door; ``drawing`` has the shapes, ``duck`` the one picture that is recognised.
"""
