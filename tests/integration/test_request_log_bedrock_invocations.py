"""The model invocation log of Amazon Bedrock."""

import gzip
from pathlib import Path

from orchestration.settings import PROJECT_ROOT, Settings
from tests.request_logs import files_with, quarantined, reduced, totals

LOG = PROJECT_ROOT / "tests/fixtures/request_logs/bedrock_invocations/invocations.jsonl"
SECRET = "canary-7f3a"
ACCOUNT = "123456789012"


def test_records_become_requests(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", shipped_history=False)
    # The same records again in a second file, with gzip under a name that does not say so
    again = tmp_path / "again.json"
    again.write_bytes(gzip.compress(LOG.read_bytes()))
    rows = reduced([LOG, again], settings)
    found = totals(rows)
    assert found["outcomes"] == {"succeeded": 6, "failed": 2}
    assert (found["requests"], found["requests_with_tokens"]) == (8, 6)
    assert (found["prompt_tokens"], found["completion_tokens"]) == (
        1150 + 10 + 40 + 7 + 3 + 30,
        20 + 5 + 8 + 1 + 1,
    )
    assert (found["cache_read_tokens"], found["cache_write_tokens"]) == (1030, 50)
    assert found["requests_with_cost"] == 0
    assert {(r["model_name"], r["region"], r["outcome"]) for r in rows} == {
        # Where it was served, not where it was asked
        ("us.anthropic.claude-example-v1:0", "us-west-2", "succeeded"),
        ("anthropic.claude-example-v1:0", "us-east-1", "succeeded"),
        ("anthropic.claude-example-v1:0", "us-east-1", "failed"),
        ("application-inference-profile/abcdef012345", "us-east-1", "succeeded"),
        ("amazon.embedding-example-v2:0", "us-east-1", "succeeded"),
        (None, "us-east-1", "succeeded"),
    }
    assert {r["provider_name"] for r in rows} == {"Amazon Bedrock"}
    per_file = [
        (8, "field", "bad_form", "modelId"),
        (9, "row", "bad_form", "schemaType"),
        (10, "field", "too_small", "inputTokenCount"),
    ]
    assert [
        (q["row_number"], q["scope"], q["code"], q["field"]) for q in quarantined(settings)
    ] == sorted(2 * per_file)
    assert files_with("anthropic.claude-example", settings)
    assert files_with(SECRET, settings) == []
    assert files_with(ACCOUNT, settings) == []
