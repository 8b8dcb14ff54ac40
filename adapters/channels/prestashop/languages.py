"""In which language a channel speaks, as the shop's id: for texts that the shop has in several."""

from actors.errors import RefusedError
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import reference_to


async def language_id(webservice: Webservice, iso_code: str) -> int:
    """Return the shop's id of an active language; of "" that of the shop's own one.

    Raises:
        RefusedError: the shop does not speak it.
        PartnerError: the shop cannot be read.
    """
    if not iso_code:
        query = {"filter[name]": "[PS_LANG_DEFAULT]"}
        rows = await webservice.rows("configurations", "[name,value]", **query)
        return reference_to(rows[0], "value") if rows else 1
    query = {"filter[iso_code]": f"[{iso_code}]", "filter[active]": "[1]"}
    rows = await webservice.rows("languages", "[id]", **query)
    if not rows:
        why = f"the shop has no active language {iso_code}"
        raise RefusedError(webservice.system, "GET /api/languages", why)
    return reference_to(rows[0], "id")
