"""Every error this package raises on purpose, so that a caller reads here what to catch.

    AiopsError
    +-- SettingsError              aiops.toml or AIOPS_* says something we cannot obey        (exit 2)
    +-- InputError                 what was sent cannot be understood                          (400)
    |   +-- TooLargeError          a named size limit is exceeded                              (413)
    |   +-- MediaTypeError         right bytes in the wrong wrapping                           (415)
    |   +-- TableError             a CSV or Parquet row or column we cannot read               (exit 2)
    +-- NotFoundError              no such incident, series, route target                      (404)
    +-- ConflictError              the state does not allow this change                        (409)
    +-- OverloadError              come back later; nothing of the request was kept            (503)
    +-- SealError                  redacted values, sealed under another key or changed        (409)
    +-- BundleError                a model on disk that is damaged, foreign or none               (503, exit 2)
    +-- SnapshotError              a snapshot that is torn, foreign or of another format       (start fresh)

Each carries one sentence that says what is wrong, where, and what to do about it.
"""


class AiopsError(Exception):
    """Root of the tree; `str(error)` is the sentence for the person who has to act."""


class SettingsError(AiopsError):
    """A setting is unknown, of the wrong type or out of range."""


class InputError(AiopsError):
    """What was sent cannot be understood."""


class TooLargeError(InputError):
    """A named size limit is exceeded."""


class MediaTypeError(InputError):
    """The content type or content encoding is not one we read."""


class TableError(InputError):
    """A file of samples has a row or a column we cannot read."""


class NotFoundError(AiopsError):
    """What was asked for does not exist."""


class ConflictError(AiopsError):
    """The present state does not allow the change that was asked for."""


class RaceError(ConflictError):
    """Another request did the same first: what it left is to be looked at again."""


class OverloadError(AiopsError):
    """The service cannot take this now; nothing of the request was kept."""


class SealError(AiopsError):
    """Redacted values that were sealed under another key, or changed since."""


class BundleError(AiopsError):
    """A model on disk is missing, damaged, or not one of ours."""


class SnapshotError(AiopsError):
    """A snapshot is torn, foreign or of another format."""
