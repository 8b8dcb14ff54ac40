"""Whether the profile of a site can be: it owns what is wrong with settings of the right types. Pure."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from string import Template

from adapters.erps.divalto import host_keys
from adapters.erps.divalto.files_settings import SftpSettings
from adapters.erps.divalto.plugin import (
    CONCURRENCY_MAX,
    DEPOT_LENGTH,
    DOS_LENGTH,
    ETB_LENGTH,
    HEADER_LENGTHS,
    OPERATION_LENGTH,
    PREFIX_LENGTH,
    TIERS_LENGTH,
    TOKEN_MARGIN_SECONDS,
    WINDOW,
    DivaltoSettings,
)
from adapters.erps.divalto.questions import question_problems
from adapters.erps.divalto.webhook_settings import QUERY_NAMES
from adapters.settings import Problem, url_problems


def problems(settings: DivaltoSettings) -> tuple[Problem, ...]:
    """Return everything that is wrong with the settings, so that a person mends it in one go."""
    found = [
        *_wrong_ways(settings),
        *question_problems("actions", settings.actions),
        *_wrong_encodings(settings.encodings),
        *_wrong_lengths(settings),
        *_wrong_numbers(settings),
        *_wrong_depots(settings),
        *_wrong_timezone(settings),
        *_wrong_hours(settings),
    ]
    found += _wrong_header("order_header", settings.order_header)
    for channel, header in settings.channel_headers.items():
        found += _wrong_header(f"channel_headers.{channel}", header)
    if len(settings.sku_separator) != 1:
        found.append(Problem("sku_separator", "has to be one character"))
    if settings.shipping == "line" and not settings.shipping_article:
        found.append(Problem("shipping_article", 'is needed where shipping = "line"'))
    return tuple(found)


def _wrong_header(key: str, header: Mapping[str, str]) -> list[Problem]:
    """Return what no header can bear, or not so long."""
    known = ", ".join(HEADER_LENGTHS)
    found = [
        Problem(f"{key}.{column}", f"is not one of {known}")
        for column in header
        if column not in HEADER_LENGTHS
    ]
    return found + [
        Problem(f"{key}.{column}", f"has to be 1 to {HEADER_LENGTHS[column]} characters long")
        for column, value in header.items()
        if column in HEADER_LENGTHS and not 1 <= len(value) <= HEADER_LENGTHS[column]
    ]


def _wrong_ways(settings: DivaltoSettings) -> list[Problem]:
    """Return what each way lacks that some flow goes."""
    ways, found = settings.flows.used, list[Problem]()
    if {"rest", "execute", "webhook"} & ways:
        found += url_problems("url", settings.url)
    if {"rest", "execute"} & ways:
        found += [
            Problem(key, "is needed where a flow goes by REST")
            for key, value in (("user", settings.user), ("password", settings.password.reveal()))
            if not value
        ]
    if "soap" in ways:
        found += url_problems("soap.url", settings.soap.url)
    if "files" in ways:
        found += _wrong_files(settings)
    if "webhook" in ways:
        found += _wrong_web_hook(settings)
    if settings.customer_policy == "each" and not _looks_up_by_reference_alone(settings):
        why = "needs a look-up by the reference alone: nobody knows under which customer an order stands"
        found.append(Problem("customer_policy", why))
    return found


def _wrong_web_hook(settings: DivaltoSettings) -> list[Problem]:
    """Return what is wrong with the web hook, without its codes."""
    hook, found = settings.webhook, list[Problem]()
    if not hook.code.reveal():
        found.append(Problem("webhook.code", "is needed where pieces go to a web hook"))
    for name, query in hook.query.items():
        if not Template(query).is_valid() or set(Template(query).get_identifiers()) - set(QUERY_NAMES):
            why = f"may hold {', '.join(f'${{{each}}}' for each in QUERY_NAMES)} alone"
            found.append(Problem(f"webhook.query.{name}", why))
    return found


def _looks_up_by_reference_alone(settings: DivaltoSettings) -> bool:
    match settings.flows.look_up:
        case "rest":
            return bool(settings.spelling.pieces.reference)
        case "files":
            return True
        case _:
            return "TIERS" not in Template(settings.actions.pieces.ask).get_identifiers()


def _wrong_files(settings: DivaltoSettings) -> list[Problem]:
    files, flows = settings.files, settings.flows
    wanted = [("inbox", files.inbox), ("rejected", files.rejected)] if flows.write == "files" else []
    if "files" in (flows.look_up, flows.stock, flows.books):
        wanted.append(("exports", files.exports))
    found = [
        Problem(f"files.{key}", "is needed where a flow goes by files") for key, path in wanted if not path
    ]
    bounds = (("wait_seconds", files.wait_seconds), ("export_seconds", files.export_seconds))
    found += [
        Problem(f"files.{key}", "has to be between 0 and 86400")
        for key, value in bounds
        if not 0 <= value <= 86_400  # noqa: PLR2004 - a day
    ]
    if not 0.01 <= files.look_seconds <= 60:  # noqa: PLR2004 - a file share is not to be worn out
        found.append(Problem("files.look_seconds", "has to be between 0.01 and 60"))
    found += [Problem("files.encoding", "is no encoding")] * (not _is_encoding(files.encoding))
    return found + (_wrong_sftp(files.sftp) if files.sftp.host else [])


def _wrong_sftp(sftp: SftpSettings) -> list[Problem]:
    """Return what keeps an SFTP server from being spoken to; nobody is trusted at first sight."""
    found = list[Problem]()
    if find_spec("paramiko") is None:
        why = "needs the extra wharfinger[sftp], as by make install EXTRA=sftp: paramiko is not installed"
        found.append(Problem("files.sftp", why))
    if not sftp.user:
        found.append(Problem("files.sftp.user", "is needed"))
    if not sftp.key.reveal() and not sftp.password.reveal():
        found.append(Problem("files.sftp.key", "is needed, or a password"))
    if not sftp.host_keys:
        why = "is needed: what `ssh-keyscan HOST | ssh-keygen -lf -` tells, compared with the server's own"
        found.append(Problem("files.sftp.host_keys", why))
    for entry in sftp.host_keys:
        try:
            host_keys.read(entry)
        except ValueError as error:
            found.append(Problem("files.sftp.host_keys", str(error)))
    if not 1 <= sftp.port <= 65_535:  # noqa: PLR2004 - TCP's
        found.append(Problem("files.sftp.port", "has to be between 1 and 65535"))
    if not 0.1 <= sftp.seconds_max <= 600:  # noqa: PLR2004 - as the other ways
        found.append(Problem("files.sftp.seconds_max", "has to be between 0.1 and 600"))
    return found


def _wrong_encodings(encodings: Sequence[str]) -> list[Problem]:
    return [
        Problem("encodings", f"{encoding!r} is no encoding")
        for encoding in encodings
        if not _is_encoding(encoding)
    ]


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:  # none at all, or one of bytes such as base64
        return False
    return True


_LOOKED_UP_BY = ("customer", "customers", "supplier", "internal", "depots")


def _wrong_lengths(settings: DivaltoSettings) -> list[Problem]:
    operations = settings.operations
    bounds = [
        ("dos", settings.dos, 1, DOS_LENGTH),
        ("etb", settings.etb, 1, ETB_LENGTH),
        ("customer", settings.customer, 1, TIERS_LENGTH),
        ("supplier", settings.supplier, 1, TIERS_LENGTH),
        ("internal", settings.internal, 1, TIERS_LENGTH),
        ("prefix", settings.prefix, 0, PREFIX_LENGTH),
        ("tariff", settings.tariff, 0, 8),
        *((f"tax_regimes.{country}", regime, 1, 8) for country, regime in settings.tax_regimes.items()),
        ("operations.sale", operations.sale, 1, OPERATION_LENGTH),
        ("operations.credit", operations.credit, 1, OPERATION_LENGTH),
        ("operations.purchase", operations.purchase, 1, OPERATION_LENGTH),
        ("operations.stock_in", operations.stock_in, 1, OPERATION_LENGTH),
        ("operations.stock_out", operations.stock_out, 1, OPERATION_LENGTH),
        *((f"customers.{channel}", tiers, 1, TIERS_LENGTH) for channel, tiers in settings.customers.items()),
        *((f"depots.{warehouse}", depot, 1, DEPOT_LENGTH) for warehouse, depot in settings.depots.items()),
    ]
    too_long = [
        Problem(key, f"has to be {least} to {most} characters long")
        for key, value, least, most in bounds
        if not least <= len(value) <= most
    ]
    return too_long + [
        Problem(key, "must not hold ; or =, which part a look-up's parameters")
        for key, value, _, _ in bounds
        if key.partition(".")[0] in _LOOKED_UP_BY and set(value) & set(";=")
    ]


def _wrong_numbers(settings: DivaltoSettings) -> list[Problem]:
    bounds: list[tuple[str, float, float, float]] = [
        ("internal_stage", settings.internal_stage, 1, 4),
        ("return_stage", settings.return_stage, 3, 4),
        ("look_back_days", settings.look_back_days, 1, 4000),
        ("warm_seconds", settings.warm_seconds, 0, 86_400),
        ("shipping_footer", settings.shipping_footer, 1, 3),
        ("token_seconds", settings.token_seconds, 2 * TOKEN_MARGIN_SECONDS, 86_400),
        ("concurrency", settings.concurrency, 1, CONCURRENCY_MAX),
        ("auth_seconds_max", settings.auth_seconds_max, 0.1, 600),
        ("execute_seconds_max", settings.execute_seconds_max, 0.1, 600),
        ("settle_seconds", settings.settle_seconds, 0, 3600),
        ("page_rows", settings.page_rows, 2, 100_000),
    ]
    return [
        Problem(key, f"has to be between {least:g} and {most:g}")
        for key, value, least, most in bounds
        if not least <= value <= most
    ]


def _wrong_depots(settings: DivaltoSettings) -> list[Problem]:
    if not settings.depots:
        return [Problem("depots", "has to map at least one warehouse")]
    seen: dict[str, str] = {}
    found: list[Problem] = []
    for warehouse, depot in settings.depots.items():
        if depot in seen:
            found.append(Problem(f"depots.{warehouse}", f"is the depot of {seen[depot]} already"))
        seen.setdefault(depot, warehouse)
    return found


def _wrong_hours(settings: DivaltoSettings) -> list[Problem]:
    return [
        Problem("closed_hours", f'{window!r} is no window such as "22:00-05:30"')
        for window in settings.closed_hours
        if WINDOW.fullmatch(window) is None
    ]


def _wrong_timezone(settings: DivaltoSettings) -> list[Problem]:
    from zoneinfo import ZoneInfo  # read late: only a site outside UTC needs the machine's time zones

    if settings.timezone == "UTC":
        return []
    try:
        ZoneInfo(settings.timezone)
    except (KeyError, ValueError, OSError):  # a name it does not know, no name at all, a folder's name
        return [Problem("timezone", "is not a time zone that this machine knows")]
    return []
