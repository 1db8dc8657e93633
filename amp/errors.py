"""Every refusal amp can give, one class each.

AmpError
├── Unauthorized            401  UNAUTHORIZED            key missing or unknown
│   └── KeyExpired          401  KEY_EXPIRED
├── Forbidden               403  FORBIDDEN               the key lacks the permission
├── InvalidInput            400  the field is named in details
│   ├── InvalidParameter         INVALID_PARAMETER
│   ├── InvalidUserId            INVALID_USER_ID
│   ├── InvalidTask              INVALID_TASK
│   └── InvalidPreference        INVALID_PREFERENCE
├── NotFound                404  NOT_FOUND
│   └── InvalidRequestId    404  INVALID_REQUEST_ID      unknown, forged, or another tenant's
├── MethodNotAllowed        405  METHOD_NOT_ALLOWED
├── OutcomeAlreadyReported  409  OUTCOME_ALREADY_REPORTED
├── VersionConflict         409  VERSION_CONFLICT        another change came first
├── JobExists               409  JOB_EXISTS
├── IdempotencyKeyMismatch  409  IDEMPOTENCY_KEY_MISMATCH
├── Conflict                409  CONFLICT                it goes against what stands; sent again it does too
├── HeartbeatMismatch       412  HEARTBEAT_PRECONDITION_FAILED  another worker may hold the lease
├── OutcomeNotReported      422  OUTCOME_NOT_REPORTED    there is none to amend
├── RequestExpired          410  REQUEST_EXPIRED
├── PayloadTooLarge         413  PAYLOAD_TOO_LARGE
├── RateLimitExceeded       429  RATE_LIMIT_EXCEEDED     a retry after `retry_after_s` can help
│   └── QuotaExceeded       429  QUOTA_EXCEEDED
├── StoreUnavailable        503  STORE_UNAVAILABLE       a retry can help; nothing was half done
│   └── NotReplicated       503  STORE_UNAVAILABLE       it stands, on fewer replicas than asked for
└── Internal                500  INTERNAL

Contracts: amp.md, section "Errors", ledger.md, section 5, and graded-outcomes.md, section 1. The client
raises the same classes.
"""

from typing import Any, ClassVar


class AmpError(Exception):
    """A refusal with its wire code, HTTP status and whether a retry of the same call can help."""

    code: ClassVar[str] = "INTERNAL"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, details: dict[str, Any] | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details or {}
        self.retry_after_s = retry_after_s


class Internal(AmpError):
    """Our fault: the message never carries what went wrong inside."""


class Unauthorized(AmpError):
    code = "UNAUTHORIZED"
    status = 401


class KeyExpired(Unauthorized):
    code = "KEY_EXPIRED"


class Forbidden(AmpError):
    code = "FORBIDDEN"
    status = 403


class InvalidInput(AmpError):
    """A request that can never succeed as it is; `details` names the field and the reason."""

    status = 400

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", details={"field": field, "reason": reason})


class InvalidParameter(InvalidInput):
    code = "INVALID_PARAMETER"


class InvalidUserId(InvalidInput):
    code = "INVALID_USER_ID"


class InvalidTask(InvalidInput):
    code = "INVALID_TASK"


class InvalidPreference(InvalidInput):
    code = "INVALID_PREFERENCE"


class NotFound(AmpError):
    code = "NOT_FOUND"
    status = 404


class InvalidRequestId(NotFound):
    code = "INVALID_REQUEST_ID"


class MethodNotAllowed(AmpError):
    code = "METHOD_NOT_ALLOWED"
    status = 405


class OutcomeAlreadyReported(AmpError):
    code = "OUTCOME_ALREADY_REPORTED"
    status = 409


class VersionConflict(AmpError):
    code = "VERSION_CONFLICT"
    status = 409


class JobExists(AmpError):
    code = "JOB_EXISTS"
    status = 409


class IdempotencyKeyMismatch(AmpError):
    code = "IDEMPOTENCY_KEY_MISMATCH"
    status = 409


class Conflict(AmpError):
    code = "CONFLICT"
    status = 409


class HeartbeatMismatch(AmpError):
    code = "HEARTBEAT_PRECONDITION_FAILED"
    status = 412


class OutcomeNotReported(AmpError):
    code = "OUTCOME_NOT_REPORTED"
    status = 422


class RequestExpired(AmpError):
    code = "REQUEST_EXPIRED"
    status = 410


class PayloadTooLarge(AmpError):
    code = "PAYLOAD_TOO_LARGE"
    status = 413


class RateLimitExceeded(AmpError):
    code = "RATE_LIMIT_EXCEEDED"
    status = 429
    retryable = True


class QuotaExceeded(RateLimitExceeded):
    code = "QUOTA_EXCEEDED"
    retryable = False


class StoreUnavailable(AmpError):
    code = "STORE_UNAVAILABLE"
    status = 503
    retryable = True

    def __init__(self, message: str = "The store cannot take this now; try again.") -> None:
        super().__init__(message, retry_after_s=1)


class NotReplicated(StoreUnavailable):
    """What was asked stands, and could be lost with one machine; a retry counts nothing twice."""

    def __init__(self) -> None:
        super().__init__("Too few replicas have this yet; send it again, it counts once.")
