"""Errors in Qdrant's words.

The texts and status codes are those of Qdrant 1.18.3: `StorageError` and its HTTP mapping, the
`CollectionError::from(OperationError)` mapping, and the validation handler of its REST layer.
"""

from __future__ import annotations

import re


class ApiError(Exception):
    """A failure with the HTTP status and the error text that Qdrant would answer with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def bad_input(description: str) -> ApiError:
    """400, `Wrong input: …`: the request is well-formed but does not fit the collection."""
    return ApiError(400, f"Wrong input: {description}")


def bad_request(description: str) -> ApiError:
    """400, `Bad request: …`."""
    return ApiError(400, f"Bad request: {description}")


def not_found(description: str) -> ApiError:
    """404, `Not found: …`."""
    return ApiError(404, f"Not found: {description}")


def already_exists(description: str) -> ApiError:
    """409; Qdrant words it as wrong input."""
    return ApiError(409, f"Wrong input: {description}")


def service_error(description: str) -> ApiError:
    """500, `Service internal error: …`."""
    return ApiError(500, f"Service internal error: {description}")


def format_error(detail: str) -> ApiError:
    """400 for a body that is not JSON, or not of the expected shape."""
    return ApiError(400, f"Format error in JSON body: {detail}")


def validation_error(field: str, problem: str, where: str = "JSON body") -> ApiError:
    """422 for a well-shaped body with a value out of range. `where` may be `path parameters` or `query parameters`."""
    return ApiError(422, f"Validation error in {where}: [{field}: {problem}]")


def no_such_collection(name: str) -> ApiError:
    """404 for a name that is neither a collection nor an alias."""
    return not_found(f"Collection `{name}` doesn't exist!")


def wrong_dimension(expected: int, got: int) -> ApiError:
    """400 for a vector of the wrong length."""
    return bad_input(f"Vector dimension error: expected dim: {expected}, got {got}")


_POINT_MISSING = re.compile(r"^No point with id (\S+)")
_RENAMED = {
    "Wrong usage of sparse vectors": "Conversion between sparse and regular vectors failed",
    "Wrong usage of multi vectors": "Conversion between multi and regular vectors failed",
}
_SERVICE_PREFIXES = ("Service runtime error: ", "Inconsistent storage: ", "Out of memory", "Operation cancelled: ")


def from_engine(text: str) -> ApiError:
    """Maps the text of an engine error (`OperationError`) to the answer that Qdrant gives for it."""
    missing = _POINT_MISSING.match(text)
    if missing:
        return not_found(f"No point with id {missing.group(1)} found")
    for prefix in _SERVICE_PREFIXES:
        if text.startswith(prefix):
            return service_error(text.removeprefix("Service runtime error: "))
    return bad_input(_RENAMED.get(text, text))
