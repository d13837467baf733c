"""The body of a request, never larger than what is allowed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Request, status

LARGEST_BODY_BYTES = 1_000_000


async def _limited_body(request: Request) -> bytes:
    """Return the body; one that is too large is refused while it comes in, whatever it said of its length."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY_BYTES:
            raise HTTPException(
                status.HTTP_413_CONTENT_TOO_LARGE, f"the body may have at most {LARGEST_BODY_BYTES} bytes"
            )
    return bytes(body)


LimitedBody = Annotated[bytes, Depends(_limited_body)]
