"""Comes past a limiter without a turn of the scheduler where there is room, which is nearly always."""

import trio


async def admit(limiter: trio.CapacityLimiter) -> None:
    """Take one of the limiter's tokens, which the caller releases; wait only while there is none."""
    try:
        limiter.acquire_nowait()
    except trio.WouldBlock:
        await limiter.acquire()
