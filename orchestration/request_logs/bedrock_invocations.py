"""`bedrock_invocations`: the model invocation log of Amazon Bedrock, as its S3 delivery writes it:
JSON lines, one object a request, as a rule with gzip.

The numbers stand outside of the bodies with prompts and answers, which are not read. Nor are
`accountId` and `identity`.
"""

from orchestration.contracts.odcs import tables
from orchestration.request_logs.base import Head, RequestLog, read_json
from orchestration.tables import sql_name

_NAME = "bedrock_invocations"
_SCHEMA_TYPE = "ModelInvocationLog"
_SIGNATURE = ("schemaType", "timestamp", "requestId", "modelId", "operation")

_KEYS = {
    "schemaType": "varchar",
    "timestamp": "varchar",
    "requestId": "varchar",
    "modelId": "varchar",
    "region": "varchar",
    "inferenceRegion": "varchar",
    "errorCode": "varchar",
    "input": (
        "struct(inputTokenCount varchar, cacheReadInputTokenCount varchar, "
        "cacheWriteInputTokenCount varchar)"
    ),
    "output": "struct(outputTokenCount varchar)",
}
# An ARN has the number of the account. What follows it names the model, or is the company's own
# name for one (`application-inference-profile/…`), of which the kind is kept.
_ARN = r"^arn:[^:]*:[^:]*:[^:]*:[^:]*:(?:foundation-model/|inference-profile/)?(.+)$"
_FROM_KEYS = {
    # An ARN of another form would keep the number: "arn" alone fails the contract's pattern.
    "modelId": (
        f"case when modelId like 'arn:%' "
        f"then coalesce(nullif(regexp_extract(modelId, '{_ARN}', 1), ''), 'arn') else modelId end"
    ),
    "inputTokenCount": '"input".inputTokenCount',
    "cacheReadInputTokenCount": '"input".cacheReadInputTokenCount',
    "cacheWriteInputTokenCount": '"input".cacheWriteInputTokenCount',
    "outputTokenCount": '"output".outputTokenCount',
}


def _recognizes(head: Head) -> str:
    is_log = head.has(*_SIGNATURE) and head.first.get("schemaType") == _SCHEMA_TYPE
    return f"{head.kind}/{_SCHEMA_TYPE}" if is_log else ""


def _rows(head: Head) -> str:
    selected = ", ".join(
        f"{_FROM_KEYS.get(f.source_name, sql_name(f.source_name))} as {sql_name(f.source_name)}"
        for f in tables("raw")[_NAME].fields
    )
    return f"select {selected} from {read_json(head, _KEYS)}"


LOG = RequestLog(
    name=_NAME,
    title="Requests in Amazon Bedrock's model invocation log",
    layouts=f"JSON lines of objects with {', '.join(_SIGNATURE)}, schemaType {_SCHEMA_TYPE}",
    recognizes=_recognizes,
    rows=_rows,
    signature=_SIGNATURE,
)
