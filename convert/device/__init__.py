"""The folder that a phone or board is given.

``device_files`` makes one as a ``device_request`` has it: the model file as ``convert`` makes it,
and what ``folder_writer`` puts beside it, with ``folder_texts`` for people. What becomes of the
answers is ``paddleport.validate.device``'s.
"""
