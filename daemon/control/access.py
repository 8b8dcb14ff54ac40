"""Who may do what on the control socket, by what the kernel tells of a peer. It knows no request."""

import grp
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from adapters.http.server import Peer

ROOT = 0


class Role(IntEnum):
    """What somebody may do; each role may do what those below it may."""

    VIEWER = 1
    """Look at everything; change nothing."""
    OPERATOR = 2
    """Work: orders, the floor, anomalies, what partners are to be told."""
    ADMIN = 3
    """Steer the daemon and correct the books."""


@dataclass(frozen=True, slots=True)
class Access:
    """Which users and groups have which role; who has none may not even look."""

    uids: Mapping[int, Role] = field(default_factory=dict)
    gids: Mapping[int, Role] = field(default_factory=dict)

    def role_of(self, peer: Peer | None) -> Role | None:
        """Return the highest role of whoever is at the other end, None where there is none.

        The groups are those that the peer had when it connected.
        """
        if peer is None:
            return None
        found = [self.gids[gid] for gid in (peer.gid, *peer.groups) if gid in self.gids]
        if peer.uid in self.uids:
            found.append(self.uids[peer.uid])
        return max(found, default=None)


def access_of(viewers: str, operators: str, admins: str) -> Access:
    """Return the access by the names of three groups; root and the daemon's own user may do everything.

    A group that this machine does not have gives its role to nobody.
    """
    names = {
        viewers: Role.VIEWER,
        operators: Role.OPERATOR,
        admins: Role.ADMIN,
    }  # the later one is the higher
    gids = {gid: role for name, role in names.items() if (gid := gid_of(name)) is not None}
    return Access({os.geteuid(): Role.ADMIN, ROOT: Role.ADMIN}, gids)


def gid_of(group: str) -> int | None:
    """Return a group's number, None where this machine has none of that name."""
    try:
        return grp.getgrnam(group).gr_gid if group else None
    except KeyError:
        return None
