"""What a PUT, PATCH or POST asks to be written: the body's XML, required fields, validation, errors.

It decides nothing about what a write causes in the shop: that is the shop's matter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from adapters.channels.prestashop.simulated.query import RefusalError
from adapters.channels.prestashop.simulated.tables import Field, Resource, Row, Value

INT_MIN, INT_MAX = -(2**31), 2**31 - 1

PARSER = etree.XMLParser(resolve_entities=False, no_network=True)
"""The real one resolves no outer entity either: it stores an empty text."""

_RULES = {
    "isUnsignedId": re.compile(r"\d+"),
    "isNullOrUnsignedId": re.compile(r"\d*"),
    "isUnsignedInt": re.compile(r"\d+"),
    "isInt": re.compile(r"-?\d+"),
    "isBool": re.compile(r"[01]?"),
    "isPrice": re.compile(r"\d{1,10}(\.\d{1,9})?"),
    "isFloat": re.compile(r"-?\d+(\.\d+)?"),
    "isTrackingNumber": re.compile(r"[~:#,%&_=()\[\].? +\-@/a-zA-Z0-9]*"),
    "isName": re.compile(r"[^0-9!<>,;?=+()@#\"°{}_$%:¤|]*"),
    "isCustomerName": re.compile(r"[^0-9!<>,;?=+()@#\"°{}_$%:¤|]*"),
    "isEmail": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "isGenericName": re.compile(r"[^<>={}]*"),
}


@dataclass(frozen=True, slots=True)
class Given:
    """One object of a body: its id (None where it has none), its fields as texts, its lists."""

    id: str | None
    fields: Mapping[str, str]
    lists: Mapping[str, list[dict[str, str]]]


def parse(body: bytes) -> list[Given]:
    """Return the objects of a body, whatever its nodes are called.

    Raises:
        RefusalError: 500 with code 127 for anything that is no XML.
    """
    try:
        root = etree.fromstring(body, PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        text = body.decode("utf-8", "replace")
        message = (
            f"XML error : String could not be parsed as XML\nXML length : {len(body)}\nOriginal XML : {text}"
        )
        raise RefusalError(500, (127, message)) from error
    return [_given(node) for node in root if isinstance(node.tag, str)]


def _given(node: etree._Element) -> Given:
    fields: dict[str, str] = {}
    lists: dict[str, list[dict[str, str]]] = {}
    for child in node:
        if child.tag == "associations":
            for part in child:
                entries = [{str(leaf.tag): leaf.text or "" for leaf in entry} for entry in part]
                lists[str(part.tag)] = entries
        elif isinstance(child.tag, str):
            language = child.find("language")
            fields[child.tag] = (language.text if language is not None else child.text) or ""
    return Given(fields.pop("id", None), fields, lists)


def check_required(resource: Resource, given: Given) -> None:
    """Refuse a PUT or POST that leaves a required field out."""
    for field in resource.fields.values():
        if field.required and field.name not in given.fields:
            raise RefusalError(400, (41, f'parameter "{field.name}" required'))


def check_writable(resource: Resource, given: Given) -> None:
    """Refuse a value for a field that the shop computes."""
    for name in given.fields:
        field = resource.fields.get(name)
        if field is not None and not field.writable and name != "secure_key":
            text = f'parameter "{name}" not writable. Please remove this attribute of this XML'
            raise RefusalError(400, (93, text))


def validate(resource: Resource, values: Mapping[str, str]) -> None:
    """Refuse the first value that breaks its field's rule."""
    for field in resource.fields.values():
        value = values.get(field.name)
        if value is not None:
            why = _broken(resource.entity, field, value)
            if why:
                raise RefusalError(400, (85, f'Validation error: "{why}"'))


def _broken(entity: str, field: Field, value: str) -> str:
    name = f"{entity}->{field.name}"
    if value == "":
        return f"Property {name} is empty." if field.required else ""
    if field.size and field.kind != "l" and len(value) > field.size:
        length = f"is currently {len(value)} chars. It must be between 0 and {field.size} chars."
        return f"The length of property {name} {length}"
    if field.rule == "isInt":
        return _broken_int(name, value)
    rule = _RULES.get(field.rule)
    return "" if rule is None or rule.fullmatch(value) else f"Property {name} is not valid"


def _broken_int(name: str, value: str) -> str:
    found = re.fullmatch(r"-?\d+", value)
    if found is None and not value[0].isalpha():
        return f"Property {name} is not valid"
    whole = int(value) if found else 0
    if found and INT_MIN <= whole <= INT_MAX:
        return ""
    return f"The range of property {name} is currently {whole}. It must be between {INT_MIN} and {INT_MAX}."


def blanked(resource: Resource, row: Row, given: Mapping[str, str]) -> dict[str, Value]:
    """Return what a PUT makes of a row: every field that it leaves out is blank, dates of creation stay."""
    kept = {"date_add": row.get("date_add"), "last_passwd_gen": row.get("last_passwd_gen")}
    return {
        name: given.get(name, kept.get(name, "" if field.kind != "l" else field.default()))
        for name, field in resource.fields.items()
    }
