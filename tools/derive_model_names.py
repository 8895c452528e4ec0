"""Derive model_aliases.csv and model_name_parts.csv: how gateways name models and their makers.

    python -m tools.derive_model_names --inputs FOLDER

A run of the pipeline needs only the seeds. Inputs: the dated states of OpenRouter's catalogue, of
LiteLLM's price map and of models.dev; and the seeds authors.csv and price_seed.csv.

What a row of model_aliases.csv means
    Another name of a slug, as a catalogue states it: alias_kind is `catalogue_id` (the id of which
    the canonical slug is stated), `hugging_face_id` (the repository of the weights) or
    `gateway_name` (GATEWAY_NAMES, by hand). seen_on is the last state that says so. Left out are
    ids that price_seed.csv has, repositories whose name differs from the slug or the id only in
    punctuation (the rules of int_model_names find those), and names of which the states give
    several slugs.

What a row of model_name_parts.csv means
    A part of names that gateways write, lower case, and what it says about the maker.
    host         it says who serves, or where, and nothing about the maker: the providers of
                 LiteLLM's price map and of models.dev, and those of HOSTS
    maker        the model is made by `author`: owners on Hugging Face of whose repositories the
                 catalogue lists at least one, all under one author; and those of MAKERS. Authors of
                 the registry are makers without a row here, unless they are hosts.
    family       every model whose name begins so is made by `author`, who keeps its weights
    open_family  the weights are public, and others publish what they made of them under such
                 names, too: it counts only if the rest of the name is sizes, versions and other
                 plain words
    floating     the maker lets the name mean its newest model. In OpenRouter's catalogue it means
                 one model, so it is that one only if it is written as there
    The families are those of FAMILIES and OPEN_FAMILIES, read from the makers' own lists of models,
    and the floating names those of FLOATING, from the makers' documentation.
"""

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tools.inputs import SEEDS, Inputs, parse_arguments

# Each serves models of others under its own name, or is the name of any server with its API.
HOSTS = (
    *("accounts", "models", "openai", "mistral", "tencent", "perplexity", "morph", "alibaba"),
    *("venice", "inference-net", "claude_platform", "converse", "invoke", "batch", "@cf", "ps"),
    *("foundation-model", "inference-profile", "bedrock_converse", "vertex", "aws", "gcp"),
    *("fireworks", "together", "litellm_proxy", "hosted_vllm", "vllm", "lm_studio", "llamafile"),
    *("custom_openai", "openai_like", "ollama_chat", "xinference", "azure-openai", "github"),
    # newer than the states of the price lists
    *("kyma", "opencode_go", "streamlake", "clf_ai_gateway", "zerogpu", "@oi", "amazon_bedrock"),
    # regions
    *("us", "eu", "apac", "au", "jp", "ca", "global", "us-gov", "global-standard", "sa", "in"),
)

# Read in the providers' documentation: (name, slug, day).
GATEWAY_NAMES = (("deepseek/v3-v1:0", "deepseek/deepseek-chat-v3.1", "2026-11-28"),)

# The catalogue gives the repository of the base model, not that of the model.
WRONG_OWNERS = ("fuseai",)

MAKERS = {
    "gemini": "google",
    "google-vertex": "google",
    "meta_llama": "meta-llama",
    "xai": "x-ai",
    "spacexai": "x-ai",
    "zai": "z-ai",
    "bigmodel": "z-ai",
    "amazon_nova": "amazon",
    "amazon-nova": "amazon",
    "ibm": "ibm-granite",
    "codestral": "mistralai",
    "xiaomi_mimo": "xiaomi",
    "cohere_chat": "cohere",
}

FAMILIES = {
    "openai": (
        *("gpt-3", "gpt-4", "gpt-5", "gpt-6", "gpt-image", "gpt-audio", "gpt-realtime"),
        *("gpt-35", "gpt3", "gpt4o", "gpt5", "chatgpt-", "codex-mini", "text-embedding-3-"),
        *("o1", "o3", "o4-mini", "text-embedding-ada", "davinci-002", "babbage-002"),
    ),
    "anthropic": ("claude-",),
    "google": ("gemini-", "learnlm-"),
    "x-ai": ("grok-",),
    "cohere": ("command-r", "command-a", "command-light", "command-nightly", "north-mini-code"),
    "amazon": ("nova-lite", "nova-micro", "nova-pro", "nova-premier", "nova-2-", "titan-"),
    "writer": ("palmyra-",),
    "perplexity": ("sonar", "pplx-"),
    "inception": ("mercury-2", "mercury-coder", "mercury-edit"),
    "meta": ("muse-spark",),
    "ai21": ("jamba-", "j2-"),
    "bytedance": ("doubao-",),
}

OPEN_FAMILIES = {
    "openai": ("gpt-oss",),
    "meta-llama": ("llama", "codellama", "code-llama"),
    "mistralai": (
        *("mistral", "mixtral", "codestral", "ministral", "magistral", "devstral", "pixtral"),
        *("voxtral", "open-mistral", "open-mixtral"),
    ),
    "qwen": ("qwen", "qwq", "qvq", "codeqwen"),
    "deepseek": ("deepseek",),
    "google": ("gemma", "codegemma"),
    "moonshotai": ("kimi", "moonshot-v1"),
    "z-ai": ("glm",),
    "minimax": ("minimax",),
    "microsoft": ("phi-", "phi3", "phi4", "wizardlm"),
    "nvidia": ("nemotron", "llama-3.1-nemotron", "llama-3.3-nemotron"),
    "ibm-granite": ("granite",),
    "xiaomi": ("mimo",),
    "stepfun": ("step-",),
    "tencent": ("hunyuan", "hy3", "hy4"),
    "allenai": ("olmo",),
    "liquid": ("lfm",),
    "baidu": ("ernie",),
    "meituan": ("longcat",),
    "inclusionai": ("ling-", "ring-"),
    "poolside": ("laguna-",),
    "01-ai": ("yi-",),
}

FLOATING = (
    *("deepseek-chat", "deepseek-reasoner", "deepseek/deepseek-chat", "deepseek/deepseek-reasoner"),
    "deepseek-v3",
    *("qwen-plus", "qwen-max", "qwen-turbo", "qwen-flash"),
    *("mistral-large", "mistral-medium", "mistral-small", "mistral-tiny"),
)


class Stated(NamedTuple):
    """What the catalogue says of one model, lower case; `day` is the last state that says so."""

    model_id: str
    slug: str
    repository: str | None
    day: str


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().rpartition("/")[2])


def _owner(repository: str) -> str:
    return repository.partition("/")[0]


def _seed(name: str) -> Iterator[dict[str, str]]:
    with (SEEDS / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def stated_names(inputs: Inputs) -> Iterator[Stated]:
    """The names of the catalogue's models, one row for each combination."""
    query = """
        select
            lower(split_part(model ->> 'id', ':', 1)) as id,
            lower(model ->> 'canonical_slug') as slug,
            nullif(lower(trim(model ->> 'hugging_face_id')), '') as repository,
            cast(max(taken_on) as varchar)
        from catalogue
        where slug is not null and slug <> '' and not starts_with(id, '~')
        group by all order by all
    """
    with inputs.catalogue() as connection:
        for row in connection.execute(query).fetchall():
            yield Stated(*row)


def aliases(stated: Sequence[Stated]) -> Iterator[tuple[str, ...]]:
    """The rows of model_aliases.csv."""
    priced = {
        (row["source_model_id"].partition(":")[0], row["model_permaslug"].partition(":")[0])
        for row in _seed("price_seed.csv")
    }
    plain: dict[str, set[str]] = defaultdict(set)
    slugs: dict[tuple[str, str], set[str]] = defaultdict(set)
    days: dict[tuple[str, str], str] = {}
    for model_id, slug, repository, day in stated:
        plain[slug] |= {_plain(slug), _plain(model_id)}
        named = [(model_id, "catalogue_id")] if model_id != slug else []
        if repository and _owner(repository) not in WRONG_OWNERS:
            named.append((repository, "hugging_face_id"))
        for key in named:
            slugs[key].add(slug)
            days[key] = max(day, days.get(key, ""))
    for (alias, kind), found in sorted(slugs.items()):
        slug = min(found)
        derived = (alias, slug) in priced or alias == slug
        if kind == "hugging_face_id":
            derived = _plain(alias) in plain[slug]
        if len(found) == 1 and not derived:
            yield alias, slug, kind, days[alias, kind]
    for alias, slug, day in GATEWAY_NAMES:
        yield alias, slug, "gateway_name", day


def providers(inputs: Inputs) -> set[str]:
    """The names of those who serve models in LiteLLM's price map and models.dev, lower case."""
    found: set[str] = set()
    for path in inputs.paths("prices/litellm/*.json.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            models = json.load(file)
        models.pop("sample_spec", None)
        for name, model in models.items():
            provider = model.get("litellm_provider")
            if provider:
                found.add(provider)
                if name.startswith(f"{provider}/"):
                    found.add(name.partition("/")[0])
    with gzip.open(inputs.path("prices/models-dev/monthly.csv.gz"), "rt", encoding="utf-8") as file:
        found |= {row["provider"] for row in csv.DictReader(file)}
    return {name.lower() for name in found}


def parts(stated: Sequence[Stated], hosts: set[str]) -> Iterator[tuple[str, str, str | None]]:
    """The rows of model_name_parts.csv."""
    authors = {row["author"] for row in _seed("authors.csv")}
    owners: dict[str, set[str]] = defaultdict(set)
    for _, slug, repository, _ in stated:
        if repository and "/" in repository:
            owners[_owner(repository)].add(slug.partition("/")[0])
    makers = {
        owner: min(found)
        for owner, found in owners.items()
        if len(found) == 1 and found <= authors and owner not in (*authors, *WRONG_OWNERS)
    } | MAKERS
    # Of the providers, those that are also makers serve their own models.
    for host in sorted((hosts - authors - makers.keys()) | set(HOSTS)):
        yield host, "host", None
    for maker, author in sorted(makers.items()):
        yield maker, "maker", author
    for role, families in (("family", FAMILIES), ("open_family", OPEN_FAMILIES)):
        rows = sorted((part, author) for author, names in families.items() for part in names)
        for part, author in rows:
            yield part, role, author
    for part in sorted(FLOATING):
        yield part, "floating", None


def main() -> None:
    """Write both seeds."""
    inputs = parse_arguments(__doc__)
    stated = list(stated_names(inputs))
    inputs.write(
        "model_aliases.csv", ("alias", "base_slug", "alias_kind", "seen_on"), aliases(stated)
    )
    inputs.write(
        "model_name_parts.csv", ("part", "role", "author"), parts(stated, providers(inputs))
    )


if __name__ == "__main__":
    main()
