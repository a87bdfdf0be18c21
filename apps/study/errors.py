"""Errors between a page and the log, each with the status and the code that the page gets."""

from __future__ import annotations

from typing import Any


class StudyError(Exception):
    """A refusal: `status` of HTTP, a machine's `code`, a text for people, and more fields of the answer."""

    status = 400
    code = "invalid"
    retry_after_s: int | None = None

    def __init__(self, text: str, **more: Any) -> None:
        super().__init__(text)
        self.more = more


class BadJsonError(StudyError):
    """The body is no JSON that we take."""

    code = "bad_json"


class InvalidError(StudyError):
    """The body has the wrong shape."""

    status = 422


class TooLargeError(StudyError):
    """The body is too large."""

    status, code = 413, "too_large"


class NoSessionError(StudyError):
    """The session's secret is missing or unknown."""

    status, code = 401, "no_session"


class UnknownError(StudyError):
    """There is no such thing."""

    status, code = 404, "unknown"


class FullError(StudyError):
    """All places of the study are taken."""

    status, code = 403, "full"


class StaleError(StudyError):
    """The page shows something that has been answered already."""

    status, code = 409, "stale"


class KeyReusedError(StudyError):
    """The key of an event came before with other content."""

    status, code = 409, "key_reused"


class ClosedError(StudyError):
    """Nothing can be answered or taken back here."""

    status, code = 409, "closed"


class TooManyError(StudyError):
    """More than the limits allow."""

    status, code, retry_after_s = 429, "too_many", 60


class StorageError(StudyError):
    """The database refused, for a reason that does not go by."""

    status, code = 500, "storage"


class StorageAwayError(StorageError):
    """The database cannot be reached now; nothing was stored, and trying again is safe."""

    status, code, retry_after_s = 503, "away", 2


class StorageFullError(StorageError):
    """The disk is full; nothing was stored, and trying again is safe."""

    status, code, retry_after_s = 507, "disk_full", 20
