"""The Python client of the Portcullis policy decision point.

It asks before an agent acts, runs the action only if the answer is an allow, waits for a person's verdict where one is needed, and
reports what became of it. It owns no policy: whatever it does not understand, does not hear in time, or hears too late is a deny.
It never logs or prints arguments or the credential.
"""

from .aio import AsyncClient, AsyncGuard
from .arguments import ArgumentsError
from .client import Client, Guard
from .connection import TLS
from .model import (
    Action,
    ApprovalRequired,
    Decision,
    Denied,
    Effect,
    Kind,
    Outcome,
    Principal,
    Reason,
    Run,
    State,
    Usage,
    Verdict,
)

__all__ = [
    "TLS",
    "Action",
    "ApprovalRequired",
    "ArgumentsError",
    "AsyncClient",
    "AsyncGuard",
    "Client",
    "Decision",
    "Denied",
    "Effect",
    "Guard",
    "Kind",
    "Outcome",
    "Principal",
    "Reason",
    "Run",
    "State",
    "Usage",
    "Verdict",
]
