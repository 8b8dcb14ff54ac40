"""How the webservice shows rows and errors, as XML and as JSON, with what differs between the two.

The XML is as careless as the real one: a text is put into CDATA as it is, so a stored `]]>` poisons the page.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from adapters.channels.prestashop.simulated.query import Display
from adapters.channels.prestashop.simulated.tables import RESOURCES, Field, Resource, Row, Value

Part = dict[str, Value]
"""One entry of an association."""

AssociationsOf = Callable[[Resource, Row], dict[str, list[Part]]]

CONTEXT_LANGUAGE = 1
"""The shop's own language."""

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<prestashop xmlns:xlink="http://www.w3.org/1999/xlink">\n'
_TAIL = "</prestashop>\n"

_PART_LINKS = {
    "product_id": "products",
    "id_product": "products",
    "id_customization": "customizations",
    "id_address_delivery": "addresses",
}


class Renderer:
    """Renders for one format.

    Args:
        base_url: where the webservice stands, for the XML's links, without a slash at its end.
        as_json: JSON rather than XML.
        language: show only this language's texts, as plain strings; 0 shows all.
        associations_of: what hangs below a row.
    """

    def __init__(
        self, base_url: str, *, as_json: bool, language: int, associations_of: AssociationsOf
    ) -> None:
        self._base_url = base_url
        self._as_json = as_json
        self._language = language
        self._associations_of = associations_of

    @property
    def content_type(self) -> str:
        """The Content-Type that goes with it."""
        return "application/json" if self._as_json else "text/xml;charset=utf-8"

    def errors(self, errors: Sequence[tuple[int, str]]) -> bytes:
        """Render the webservice's own errors."""
        if self._as_json:
            return _dump({"errors": [{"code": code, "message": message} for code, message in errors]})
        inner = "".join(
            f"<error>\n<code><![CDATA[{code}]]></code>\n<message><![CDATA[{message}]]></message>\n</error>\n"
            for code, message in errors
        )
        return f"{_HEAD}<errors>\n{inner}</errors>\n{_TAIL}".encode()

    def listing(self, resource: Resource, rows: Sequence[Row], display: Display | None) -> bytes:
        """Render a list; without `display` it shows ids alone."""
        if self._as_json:
            shown = [self._object(resource, row, display) if display else {"id": row["id"]} for row in rows]
            # An empty list has lost its name.
            return _dump({resource.plural: shown} if shown else [])
        if display is None:
            link = f"{self._base_url}/api/{resource.plural}"
            inner = "".join(
                f'<{resource.node} id="{row["id"]}" xlink:href="{link}/{row["id"]}"/>\n' for row in rows
            )
        else:
            inner = "".join(self._node(resource, row, display) for row in rows)
        return f"{_HEAD}<{resource.plural}>\n{inner}</{resource.plural}>\n{_TAIL}".encode()

    def single(self, resource: Resource, row: Row, display: Display | None) -> bytes:
        """Render one row. JSON drops its falsy fields unless `display` is given, and then it is a list."""
        whole = Display(tuple(resource.fields), {}, full=True)
        if not self._as_json:
            return f"{_HEAD}{self._node(resource, row, display or whole)}{_TAIL}".encode()
        shown = self._object(resource, row, display or whole)
        if display is not None:
            return _dump({resource.plural: [shown]})
        return _dump({resource.node: _without_falsy(shown)})

    def written(self, resource: Resource, rows: Sequence[Row], given: Sequence[Mapping[str, str]]) -> bytes:
        """Render what a write has made; JSON shows the given values as strings, and the last row."""
        whole = Display(tuple(resource.fields), {}, full=True)
        if not self._as_json:
            inner = "".join(self._node(resource, row, whole) for row in rows)
            return f"{_HEAD}{inner}{_TAIL}".encode()
        shown = self._object(resource, rows[-1], whole)
        shown.update((name, value) for name, value in given[-1].items() if name in shown)
        return _dump({resource.node: _without_falsy(shown)})

    def schema(self, resource: Resource, *, synopsis: bool) -> bytes:
        """Render the blank or the annotated form of a resource."""
        lines: list[str] = [] if synopsis else ["\t<id><![CDATA[]]></id>\n"]
        for field in resource.fields.values():
            marks = _marks(field) if synopsis else ""
            inner = "<language><![CDATA[]]></language>" if field.kind == "l" else "<![CDATA[]]>"
            lines.append(f"\t<{field.name}{marks}>{inner}</{field.name}>\n")
        if resource.associations:
            lines.append("<associations>\n")
            for each in resource.associations.values():
                entry = "".join(f"\t<{part}><![CDATA[]]></{part}>\n" for part in each.parts)
                lines.append(f'<{each.name} nodeType="{each.node}">\n')
                lines.append(f"\t<{each.node}>\n{entry}\t</{each.node}>\n</{each.name}>\n")
            lines.append("</associations>\n")
        return f"{_HEAD}<{resource.node}>\n{''.join(lines)}</{resource.node}>\n{_TAIL}".encode()

    def _object(self, resource: Resource, row: Row, display: Display) -> dict[str, object]:
        shown: dict[str, object] = {"id": row["id"]} if display.with_id else {}
        shown.update((name, self._json_value(row[name])) for name in display.fields)
        if resource.name == "languages" and row["id"] != CONTEXT_LANGUAGE:
            # Seen: the language that the shop itself speaks comes with numbers, every other with texts.
            shown |= {name: str(shown[name]) for name in display.fields if isinstance(shown[name], int)}
        lists = self._lists(resource, row, display)
        if lists:
            shown["associations"] = lists
        return shown

    def _lists(self, resource: Resource, row: Row, display: Display) -> dict[str, list[Part]]:
        if not display.full and not display.associations:
            return {}
        every = self._associations_of(resource, row)
        if display.full:
            return {name: parts for name, parts in every.items() if parts}
        return {
            name: [{key: part[key] for key in part if key in wanted} for part in every[name]]
            for name, wanted in display.associations.items()
            if every.get(name)
        }

    def _json_value(self, value: Value) -> object:
        if not isinstance(value, tuple):
            return value
        if self._language:
            return next((text for language, text in value if language == self._language), "")
        return [{"id": language, "value": text} for language, text in value]

    def _node(self, resource: Resource, row: Row, display: Display) -> str:
        lines = [f"\t<id><![CDATA[{row['id']}]]></id>\n"] if display.with_id else []
        lines += [self._element(resource.fields[name], row[name]) for name in display.fields]
        lists = self._lists(resource, row, display)
        if lists or (display.full and resource.associations):
            lines.append("<associations>\n")
            lines += [
                self._list(resource, name, lists.get(name, ()))
                for name in resource.associations
                if display.full or name in lists
            ]
            lines.append("</associations>\n")
        return f"<{resource.node}>\n{''.join(lines)}</{resource.node}>\n"

    def _element(self, field: Field, value: Value) -> str:
        if isinstance(value, tuple):
            link = f"{self._base_url}/api/languages"
            inner = "".join(
                f'<language id="{language}" xlink:href="{link}/{language}"><![CDATA[{text}]]></language>'
                for language, text in value
                if self._language in (0, language)
            )
            return f"\t<{field.name}>{inner}</{field.name}>\n"
        marks = "" if field.filterable else ' notFilterable="true"'
        if field.link and value not in (0, None, ""):
            marks = f' xlink:href="{self._base_url}/api/{field.link}/{value}"' + marks
        return f"\t<{field.name}{marks}><![CDATA[{'' if value is None else value}]]></{field.name}>\n"

    def _list(self, resource: Resource, name: str, parts: Sequence[Part]) -> str:
        association = resource.associations[name]
        kind = ' virtualEntity="true"' if association.virtual else f' api="{name}"'
        if not parts:
            return f'<{name} nodeType="{association.node}"{kind}/>\n'
        inner = ""
        for part in parts:
            link = "" if association.virtual or name not in RESOURCES else f"{self._base_url}/api/{name}"
            node = f' xlink:href="{link}/{part["id"]}"' if link else ""
            values = "".join(
                f"\t<{key}{self._part_link(key, value)}><![CDATA[{_shown(value)}]]></{key}>\n"
                for key, value in part.items()
            )
            inner += f"\t<{association.node}{node}>\n{values}\t</{association.node}>\n"
        return f'<{name} nodeType="{association.node}"{kind}>\n{inner}</{name}>\n'

    def _part_link(self, key: str, value: Value) -> str:
        link = _PART_LINKS.get(key)
        return f' xlink:href="{self._base_url}/api/{link}/{value}"' if link else ""


def _shown(value: Value) -> str:
    return "" if value is None else str(value)


def _marks(field: Field) -> str:
    marks = ' required="true"' if field.required else ""
    marks += f' maxSize="{field.size}"' if field.size else ""
    marks += f' format="{field.rule}"' if field.rule else ""
    marks += "" if field.writable else ' readOnly="true"'
    return marks + ("" if field.filterable else ' notFilterable="true"')


def _without_falsy(shown: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in shown.items() if value not in (0, "0", "", None, [])}


def _dump(value: object) -> bytes:
    """Encode as PHP does: compact, Unicode as it is, slashes escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()
