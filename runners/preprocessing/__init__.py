"""From an encoded picture to an input tensor.

``picture_files`` finds pictures and reads their headers; ``prepare_image`` decodes them and makes
tensors, by ``crop_and_normalize``; ``fast_decode`` measures what decoding at a reduced size does.
"""
