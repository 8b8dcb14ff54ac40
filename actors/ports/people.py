"""People, as they lie beside the log: what can be erased, and the log still verifies."""

from msgspec import Struct


class Contact(Struct, frozen=True, gc=False):
    """A person and an address, as partners need them. Never logged above debug, never in an event.

    `customer` is what the person's rows are erased by, see `BesideRow`.
    """

    name: str
    company: str = ""
    street: str = ""
    street2: str = ""
    postcode: str = ""
    city: str = ""
    state: str = ""
    country: str = ""
    email: str = ""
    phone: str = ""
    customer: str = ""


class BesideRow(Struct, frozen=True, gc=False):
    """A row to be stored beside the log in the same transaction as the event that names it.

    `kind` is "contact", "payload" or "label"; `customer` is what `wharfinger forget --customer` erases by, as
    "channel:shop customer id"; `body` is JSON of a `Contact`, a shop's payload (see `Payload`), or a label's
    pages. `erased_with` names an older row of the same partition, if any, without which this one must not be:
    where that was erased meanwhile, this one is stored as erased.
    """

    id: str
    kind: str
    customer: str
    salt: bytes
    body: bytes
    erased_with: str = ""
