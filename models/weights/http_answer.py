"""The beginning of an HTTP answer, or an error within five seconds."""

import queue
import threading
from typing import TYPE_CHECKING, Any

from paddleport.errors import DownloadError

if TYPE_CHECKING:
    import httpx

ANSWER_TIMEOUT_S = 4.0  # from the first look-up of a name to the last redirect's headers


def answer(client: "httpx.Client", url: str, headers: dict[str, str]) -> "httpx.Response":
    """Ask for ``url`` and wait for the headers of its answer, redirects followed.

    In a thread, since nothing else limits how long a name look-up may hang.
    """
    import httpx

    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def send() -> None:
        try:
            request = client.build_request("GET", url, headers=headers)
            answers.put(client.send(request, stream=True))
        except Exception as error:  # raised again below, in the thread that asked
            answers.put(error)

    threading.Thread(target=send, daemon=True).start()
    try:
        got = answers.get(timeout=ANSWER_TIMEOUT_S)
    except queue.Empty:
        raise DownloadError(f"{url}: no answer within {ANSWER_TIMEOUT_S:g} s") from None
    if isinstance(got, httpx.RemoteProtocolError | httpx.ReadError):  # worth another attempt
        raise got
    if isinstance(got, httpx.HTTPError | httpx.InvalidURL):
        raise DownloadError(f"{url} cannot be reached: {got}") from None
    if isinstance(got, Exception):
        raise got
    response: httpx.Response = got
    hops = [hop.url for hop in (*response.history, response)]
    if hops[0].scheme == "https" and any(hop.scheme != "https" for hop in hops):
        response.close()
        raise DownloadError(f"{url} leads to {response.url}, which is not encrypted")
    return response
