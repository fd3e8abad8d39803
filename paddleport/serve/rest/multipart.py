"""The one file of a form, as ``curl -F file=@picture.jpg`` sends it."""

import re

from paddleport.serve.open_inference.datatypes import ProtocolError

_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,\-./:=? ]{1,70})"?', re.ASCII)
_NAME = re.compile(rb'\bname="?([^";\r\n]*)', re.IGNORECASE)
_MOST_HEADERS = 4096  # bytes of one part's


def file_of_form(content_type: str, body: bytes) -> bytes:
    """The bytes of the part that is called ``file``, or of the first part that has a file's name.

    Raises:
        ProtocolError: it is no form, or has no file.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ProtocolError("multipart/form-data without a boundary")
    mark = b"\r\n--" + found[1].strip().encode()
    whole = b"\r\n" + body
    place = whole.find(mark)
    first = b""
    while place >= 0:
        start = place + len(mark)
        if whole[start : start + 2] == b"--":
            break
        end = whole.find(mark, start)
        heads_end = whole.find(b"\r\n\r\n", start, start + _MOST_HEADERS)
        if end < 0 or heads_end < 0 or heads_end > end:
            raise ProtocolError("the form is cut off, or has a part without headers")
        heads = whole[start:heads_end]
        name = _NAME.search(heads)
        if name is not None and name[1] == b"file":
            return whole[heads_end + 4 : end]
        if not first and b"filename" in heads:
            first = whole[heads_end + 4 : end]
        place = end
    if not first:
        raise ProtocolError("the form has no part called file: curl -F file=@PICTURE")
    return first
