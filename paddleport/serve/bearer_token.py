"""What clients must send to be answered, if anything."""

import hmac


class BearerToken:
    """One token, or none asked for."""

    def __init__(self, token: str | None) -> None:
        self._wanted = None if token is None else f"Bearer {token}".encode()

    def refusal(self, given: str, header: str) -> str:
        """Why a client is not answered; empty if it is.

        Args:
            given: what came in the header, empty without one.
            header: its name, as the protocol writes it.
        """
        came = given.encode(errors="replace")
        if self._wanted is None or hmac.compare_digest(came, self._wanted):
            return ""
        if given:
            return f"the token is not this server's: {header}: Bearer TOKEN, with the right one"
        return f"this server asks for a token: {header}: Bearer TOKEN"
