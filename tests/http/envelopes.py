"""How a refusal must look, whatever was refused."""

import re


def refused(answer, status, code, *, field=None):
    """Asserts the envelope of amp.md, section Errors; its `details`."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json"), answer.text
    assert list(answer.json()) == ["error"]
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details", "requestId", "timestamp"}
    assert error["code"] == code, error
    assert error["message"]
    assert error["requestId"] == answer.headers["X-Request-Id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", error["timestamp"])
    if field is not None:
        assert set(error["details"]) == {"field", "reason"}, error
        assert error["details"]["field"] == field
        assert error["details"]["reason"]
    return error["details"]
