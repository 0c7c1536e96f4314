"""Where schemathesis is told off: an answer that is right, although no schema can say why."""

import re
from typing import TYPE_CHECKING, Any

import schemathesis

if TYPE_CHECKING:
    from schemathesis import Case, HookContext, Response
    from schemathesis.core.failures import Failure

# Reasons for a 400 that lie between fields, or in what a text means.
BEYOND_A_SCHEMA = re.compile(
    r"differs from namespace|is required \(|sets nothing|name what to forget|reach past"
    r"|needs two or more|is none of ours|no IANA time zone|is no (csv|jsonl|mem0|zep) "
    r"|is not UTF-8|is no JSON document|line \d+: |is neither Unix seconds nor RFC 3339"
    r"|is neither a namespace nor a prefix|there is no memory"
    r"|bytes(?: of JSON)?; [\d,]+ are allowed|has \d+ fields; |no filter reaches"
)


@schemathesis.hook
def filter_failure(
    _context: "HookContext", failure: "Failure", case: "Case[Any]", response: "Response"
) -> bool:
    """Whether it is one."""
    match failure.title:
        case "Schema-valid request rejected" if response.status_code == 400:
            return BEYOND_A_SCHEMA.search(response.json()["detail"]) is None
        case "Schema-valid request rejected" if response.status_code == 422:
            return "Idempotency-Key came with another" not in response.json()["detail"]
        case "Server error":
            return response.status_code != 501  # the protocol's answer for what isn't built
        case "Wrong response to undeclared method":
            # who has no key isn't told which paths there are
            return response.status_code not in (401, 501)
        case "Allow header mismatch":
            return case.path != "/v1/sessions/start"  # GET reads the session of that id
    return True
