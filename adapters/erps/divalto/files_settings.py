"""Where a site takes files and leaves them, and how they are spelled; each value is a setting."""

from typing import Literal

from msgspec import Struct

from adapters.settings import NO_SECRET, Secret


class SftpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The SFTP server on which a site's folders lie; it wants the extra `wharfinger[sftp]`.

    Attributes:
        host, port: where it is; without a host the folders are this machine's.
        user: who logs in there.
        key: a private key as OpenSSH writes it, and its passphrase where it has one.
        password: for a server that takes no key; with both given, the password is what it asks for besides.
        host_keys: the server's own keys, any of which it may show: each a fingerprint ("SHA256:...", as
            `ssh-keygen -l` tells it) or a line of known_hosts. A server with another key is not spoken to.
        seconds_max: how long connecting, and each single thing that is asked, may take.
    """

    host: str = ""
    port: int = 22
    user: str = ""
    key: Secret = NO_SECRET
    passphrase: Secret = NO_SECRET
    password: Secret = NO_SECRET
    host_keys: tuple[str, ...] = ()
    seconds_max: float = 30.0


class FileSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The folders of a site that takes pieces by files.

    A file that is being written is called `.NAME.part`: a task of the site's has to leave it alone. Exports
    have to appear whole in the same manner.

    Attributes:
        sftp: the server that the folders lie on; mounted ones and this machine's need none.
        inbox: the folder that Divalto's task takes files from; each bears one piece, and is gone when it has
            been taken.
        rejected: the folder that a file comes back to, under its name, with the reasons in it.
        exports: the folder that the site writes its tables to, as `pieces.csv`, `lines.csv`, `stock.csv`,
            `articles.csv`, `customers.csv`, `expected.csv`, with the dictionary's names of columns.
        form: DataHub XML, or the table that the spreadsheet import takes as CSV or xlsx.
        encoding: of XML and CSV, in both directions.
        header_row: the row of a spreadsheet that holds the names of its columns; of a CSV it is the first.
        columns: where the spreadsheet names a column otherwise than `sheet.COLUMNS` does, such as
            {"ENT.PINOTIERS": "REF_PIECE"}.
        error: the column, or the element, that a rejected file tells the reason in.
        wait_seconds: how long a file may wait to be taken before its outcome is unknown.
        look_seconds: how often the folders are looked at.
        export_seconds: how long an export may take: only one that ends so long after a piece was taken is
            known to hold it.
    """

    sftp: SftpSettings = SftpSettings()
    inbox: str = ""
    rejected: str = ""
    exports: str = ""
    form: Literal["datahub", "csv", "xlsx"] = "datahub"
    encoding: str = "cp1252"
    header_row: int = 3
    columns: dict[str, str] = {}
    error: str = "ERREUR"
    wait_seconds: float = 60.0
    look_seconds: float = 0.5
    export_seconds: float = 60.0
