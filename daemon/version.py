"""Which version of Wharfinger this is, as it was installed."""

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("wharfinger")
    except PackageNotFoundError:  # run from a tree that nobody installed
        return "0+unknown"


VERSION = _installed()
