"""Who owns which partitions: taken, renewed, given back, in the database's time.

What keeps two owners apart is the fence, which every append checks while it holds off takeovers
(`journal_fence`). The lease's end is only how long others wait for an owner that is silent. It does not write
to the log.
"""

from typing import Final

import asyncpg
import structlog
import trio

from actors.domain.partitions import PARTITIONS
from actors.ports.journal import FencedError
from adapters.postgres.bridge import Bridge
from adapters.postgres.connect import Connection, Pool
from adapters.postgres.gone import GONE
from adapters.postgres.writer import Claim

LEASE_SECONDS: Final = 10.0
"""A standby takes over from a frozen daemon after this long; a pause below it changes nothing."""

RENEW_SECONDS: Final = 3.0
"""Three attempts before a lease ends."""

STANDBY_SECONDS: Final = 1.0
"""How often a standby looks. A dead owner's partitions are free at once, so this is what a restart waits at
most."""

# Advisory locks. 1464353108 lets one take partitions at a time, and nobody during a rebuild. Of the two
# classes, 1464353106 is shared by appends until they commit and exclusive for a takeover (see
# `journal_fence`); 1464353107 is shared by an owner for as long as the connection lives by which it owns.
_ONE_AT_A_TIME = "SELECT pg_try_advisory_xact_lock(1464353108)"
_LOCK = "SELECT pg_advisory_xact_lock(1464353106, free) FROM unnest($1::smallint[]) AS free"
_FREE = """
    SELECT partition FROM partition_lease
     WHERE until <= clock_timestamp() OR pg_try_advisory_xact_lock(1464353107, partition)
     ORDER BY partition
"""
_TAKE = """
    UPDATE partition_lease AS lease
       SET owner = $1, fence = fence + 1, until = clock_timestamp() + $3 * interval '1 second'
      FROM (SELECT partition FROM partition_lease WHERE partition = ANY ($2::smallint[])
             ORDER BY partition
               FOR UPDATE) AS free
     WHERE lease.partition = free.partition
    RETURNING lease.partition, lease.fence
"""
_STAY = "SELECT pg_advisory_lock_shared(1464353107, taken) FROM unnest($1::smallint[]) AS taken"
_RENEW = """
    UPDATE partition_lease AS lease SET until = clock_timestamp() + $4 * interval '1 second'
      FROM (SELECT l.partition
              FROM unnest($2::smallint[], $3::bigint[]) AS claim (partition, fence)
              JOIN partition_lease AS l ON l.partition = claim.partition AND l.fence = claim.fence
             WHERE l.owner = $1
             ORDER BY l.partition
               FOR UPDATE OF l) AS mine
     WHERE lease.partition = mine.partition
    RETURNING lease.partition
"""
_GIVE_BACK = """
    UPDATE partition_lease AS lease SET owner = '', until = '-infinity'
      FROM (SELECT l.partition
              FROM unnest($2::smallint[], $3::bigint[]) AS claim (partition, fence)
              JOIN partition_lease AS l ON l.partition = claim.partition AND l.fence = claim.fence
             WHERE l.owner = $1
             ORDER BY l.partition
               FOR UPDATE OF l) AS mine
     WHERE lease.partition = mine.partition
    RETURNING lease.partition
"""

log = structlog.get_logger(__name__)


class LeaseTakenError(Exception):
    """Somebody else owns the partitions, and waiting for them was not wanted."""


class Term:
    """How long our leases hold at least: by Trio's clock, counted from when their last renewal was asked."""

    def __init__(self, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self.good_until = trio.current_time() + lease_seconds

    def renewed(self, asked_at: float) -> None:
        """Note a renewal that was asked for then, and has come."""
        self.good_until = asked_at + self.lease_seconds

    def remaining_s(self) -> float:
        """Return for how many seconds they hold without a further renewal; below zero once they may not."""
        return self.good_until - trio.current_time()


async def acquire(
    bridge: Bridge,
    connection: Connection,
    owner: str,
    *,
    partitions_min: int = 1,
    partitions_max: int = PARTITIONS,
    lease_seconds: float = LEASE_SECONDS,
    standby: bool = True,
) -> Claim:
    """Return the partitions that were free, at most so many; wait as a standby until there are enough.

    A daemon that works on whole warehouses and channels wants all of them or none: `partitions_min` says so.
    Without `standby` it is not waited for.

    Free is what was given back, what ran out, and what belonged to an owner whose connection is gone; nothing
    is while somebody else takes partitions, or the projections are rebuilt.
    `connection` tells the others by its locks that we are alive.

    Raises:
        LeaseTakenError: there are too few free ones, without `standby`.
    """
    waited = False
    while True:
        fences = await bridge.run(
            _acquire_free, connection, owner, partitions_min, partitions_max, lease_seconds
        )
        if fences:
            log.info("lease.taken", owner=owner, partitions=len(fences))
            return Claim(owner, fences)
        if not standby:
            raise LeaseTakenError("a daemon or a rebuild is at work on this database: stop it first")
        if not waited:
            log.info("lease.standby", owner=owner)
            waited = True
        await trio.sleep(STANDBY_SECONDS)


async def renew_forever(
    bridge: Bridge,
    pool: Pool,
    claim: Claim,
    term: Term,
    *,
    renew_seconds: float = RENEW_SECONDS,
) -> None:
    """Renew until cancelled, each time before the term ends.

    Raises:
        FencedError: a partition is another's by now, or the database was away for a whole lease.
    """
    while True:
        await trio.sleep(renew_seconds)
        began = trio.current_time()
        try:
            with trio.fail_after(max(0.0, term.remaining_s())):
                held = await bridge.run(_renew, pool, claim, term.lease_seconds)
        except (*GONE, trio.TooSlowError) as error:
            if term.remaining_s() <= 0:
                raise FencedError("the leases could not be renewed in time") from error
            log.warning("lease.renewal_failed", error=type(error).__name__)
            continue
        if held < len(claim.fences):
            raise FencedError(f"{len(claim.fences) - held} partitions were taken over")
        term.renewed(began)


async def give_back(bridge: Bridge, connection: Connection, claim: Claim) -> None:
    """Free the partitions at once. A failure is logged and no more: the leases end by themselves."""
    try:
        await bridge.run(_give_back, connection, claim)
    except (*GONE, asyncpg.PostgresError) as error:
        log.warning("lease.not_given_back", error=type(error).__name__)
    else:
        log.info("lease.given_back", owner=claim.owner, partitions=len(claim.fences))


async def _acquire_free(
    connection: Connection, owner: str, partitions_min: int, partitions_max: int, lease_seconds: float
) -> dict[int, int]:
    """Take free partitions, all in one transaction and one taker at a time; none where there are too few."""
    async with connection.transaction():
        if not await connection.fetchval(_ONE_AT_A_TIME):
            return {}
        free = [row["partition"] for row in await connection.fetch(_FREE)][:partitions_max]
        if len(free) < partitions_min:
            return {}
        # In the order of the partitions, as everybody: it waits for appends that are under way, and holds
        # off the next.
        await connection.execute(_LOCK, free)
        taken = await connection.fetch(_TAKE, owner, free, lease_seconds)
        await connection.execute(_STAY, free)
    return {row["partition"]: row["fence"] for row in taken}


async def _renew(pool: Pool, claim: Claim, lease_seconds: float) -> int:
    return len(
        await pool.fetch(_RENEW, claim.owner, list(claim.fences), list(claim.fences.values()), lease_seconds)
    )


async def _give_back(connection: Connection, claim: Claim) -> None:
    await connection.fetch(_GIVE_BACK, claim.owner, list(claim.fences), list(claim.fences.values()))
