"""Derive request_tokens.csv: how many tokens real requests have.

    python -m tools.derive_request_tokens --inputs FOLDER

A run of the pipeline does not need the table; the simulator of request logs draws from it. Inputs:
the traces of 28,185 requests to two services of Azure, in one hour of 2023-11-16.
Source: Azure/AzurePublicDataset, AzureLLMInferenceTrace 2023 (Patel et al., "Splitwise: Efficient
generative LLM inference using phase splitting", ISCA 2024). Licensed under CC BY 4.0.

What a row means
    So many per mille of the requests to a service have at most so many prompt tokens, and so many
    per mille at most so many completion tokens. The services are `code` (8,819 requests) and
    `conversation` (19,366).
"""

from tools.inputs import ROOT, parse_arguments

QUANTILES = """
    with steps as (
        select range as permille from range(1001)
    )
    select
        permille,
        list_extract(any_value(code.prompt), permille + 1) as code_prompt_tokens,
        list_extract(any_value(code.completion), permille + 1) as code_completion_tokens,
        list_extract(any_value(conv.prompt), permille + 1) as conversation_prompt_tokens,
        list_extract(any_value(conv.completion), permille + 1) as conversation_completion_tokens
    from steps, quantiles as code, quantiles as conv
    where code.service = 'code' and conv.service = 'conv'
    group by permille
    order by permille
"""

if __name__ == "__main__":
    inputs = parse_arguments(__doc__, ROOT / "orchestration" / "demo")
    connection = inputs.catalogue()
    connection.execute(
        r"""
        create table quantiles as
        select
            regexp_extract(parse_filename(filename), '_([a-z]+)\.csv', 1) as service,
            quantile_disc(contexttokens, [i / 1000 for i in range(1001)]) as prompt,
            quantile_disc(generatedtokens, [i / 1000 for i in range(1001)]) as completion
        from read_csv(?, filename = true)
        group by service
        """,
        [[str(p) for p in inputs.paths("traces/azure_2023_*.csv.gz")]],
    )
    inputs.write_query("request_tokens.csv", connection, QUANTILES)
