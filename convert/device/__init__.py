"""The folder that a phone or board is given: ``device_files`` writes it, with its own README.

What it holds, and what becomes of the answers, is ``paddleport.validate.device``'s.
"""
