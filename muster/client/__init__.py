"""The typed client of the people's API. See muster.client.client."""

from muster.client.client import ComparisonFormat, DocumentKind, Muster
from muster.client.errors import BROKEN, INVALID, ClientError, InvalidInput, NotThere, Unreachable

__all__ = [
    "BROKEN",
    "INVALID",
    "ClientError",
    "ComparisonFormat",
    "DocumentKind",
    "InvalidInput",
    "Muster",
    "NotThere",
    "Unreachable",
]
