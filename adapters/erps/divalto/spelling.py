"""How a Divalto site spells what no public documentation spells; each value is a setting of its profile.

It owns names only: of business actions, blocks, fields, dictionaries and conditions. The simulator reads a
spelling of its own, so a test can let the two differ.
"""

from msgspec import Struct

from adapters.erps.divalto.wire import ERROR_MESSAGE_PATH, RESULT_CODE_PATH


class Dictionary(Struct, frozen=True, forbid_unknown_fields=True):
    """A RecordSql that the site has opened: its dictionary, its name, its compiled conditions' names.

    `equal` selects by equality of the key. Of pieces, `beginning` selects by the beginning of the reference;
    `reference` and `reference_beginning` select by it alone, whoever the third party is. "" where there is
    none.
    """

    dhoq: str
    recordsql: str
    equal: str
    beginning: str = ""
    reference: str = ""
    reference_beginning: str = ""


class StockColumns(Struct, frozen=True, forbid_unknown_fields=True):
    """The columns of the site's stock view, as SQL Server's MVTL_STOCK_V has them.

    `less` are columns that are subtracted from `units`, such as what the site has reserved for others.
    """

    ref: str = "REFERENCE"
    sref1: str = "SREFERENCE1"
    sref2: str = "SREFERENCE2"
    depot: str = "DEPOT"
    nature: str = "NATURESTOCK"
    units: str = "QTETJSENSTOCK"
    parts: tuple[str, ...] = ("EMPLACEMENT", "SERIELOT")
    less: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """What a row is about; with `parts` it is unique in the view."""
        return self.ref, self.sref1, self.sref2, self.depot, self.nature


class Spelling(Struct, frozen=True, forbid_unknown_fields=True):
    """The inferred names of one site. Field names of tables are the dictionary's and need no setting.

    `lines_nested` says whether an element of `imouvtb` holds its fields under `imouv` (and of `ieadtb` under
    `iead`). `parameters_inside` says whether `parameters` stands inside `action` or beside it. The paths lead
    through the answer's inner JSON, names separated by dots. `sense_in` is MOUV.SENS of what comes in.
    """

    service: str = "WEB_SERVICE_INFINITY"
    integrate: str = "integration_piece"
    integrate_customer: str = "integration_client"
    parameters_inside: bool = True
    lines_nested: bool = True

    duty: str = "PCEACTION"
    duty_create: str = "C"
    duty_modify: str = "M"
    duty_validate: str = "V"
    target_stage: str = "PICODFIN"
    quantity: str = "QTE"

    code_path: str = RESULT_CODE_PATH
    message_path: str = ERROR_MESSAGE_PATH
    good_codes: tuple[str, ...] = ("0",)
    piece_number_path: str = "result.response.PINO"
    piece_prefix_path: str = "result.response.PREFPINO"
    piece_stage_path: str = "result.response.PICOD"
    piece_amount_path: str = "result.response.HTMT"

    pieces: Dictionary = Dictionary(
        "GTRSENT.dhoq",
        "Entete",
        "Equal_Tiers_Pinotiers",
        "Like_Tiers_Pinotiers",
        "Equal_Pinotiers",
        "Like_Pinotiers",
    )
    lines: Dictionary = Dictionary("GTRSMOUV.dhoq", "Mouvement", "Equal_Piece")
    stock: Dictionary = Dictionary("GTRSSTOCK.dhoq", "Stock", "Equal_Depo")
    articles: Dictionary = Dictionary("GTRSART.dhoq", "ArticleSart", "Equal_Dos")
    customers: Dictionary = Dictionary("GTRSCLI.dhoq", "Client", "Equal_Tiers")
    expected: Dictionary = Dictionary("GTRSMOUV.dhoq", "MouvementEntete", "Equal_Ticod_Picod_Cdce4")
    changed: Dictionary = Dictionary("GTRSENT.dhoq", "Entete", "Greater_Usermodh")
    moved: Dictionary = Dictionary("GTRSMOUV.dhoq", "MouvementEntete", "Greater_Usermodh")
    stock_columns: StockColumns = StockColumns()
    sense_in: str = "1"
