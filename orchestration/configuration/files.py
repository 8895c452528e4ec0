"""Read one YAML file as its pydantic model, and report each error with its place in the file."""

import difflib
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    RootModel,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from orchestration.errors import TokenshareError, quoted
from orchestration.sources import SOURCES

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Model = TypeVar("Model", bound=BaseModel)

# The fields that identify an entry of a list in a message.
_ID_FIELDS = ("id", "claim_id", "rule_set", "rule")
# Replacements for messages of pydantic that use the names of Python types.
_MESSAGES = {
    "missing": "is missing",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
}


def _source(name: str) -> str:
    if name not in SOURCES:
        raise ValueError(f"expected a source: {', '.join(SOURCES)}")
    return name


SourceName = Annotated[str, AfterValidator(_source)]


class Strict(BaseModel):
    """A mapping in a file. An unknown key is an error that names the most similar field."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def allowed_keys(cls) -> tuple[str, ...]:
        """The keys that the file may contain."""
        return tuple(cls.model_fields)

    @model_validator(mode="before")
    @classmethod
    def _has_no_other_key(cls, entry: Any) -> Any:
        known = cls.allowed_keys()
        for key in entry if isinstance(entry, dict) else ():
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise PydanticCustomError(
                    "unknown_key",
                    "{said}",
                    {
                        "key": str(key),
                        "value": entry[key],
                        "said": f"is not a key here; {hint}Expected: {', '.join(known)}",
                    },
                )
        return entry


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses a duplicate key; PyYAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} is written more than once",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: Path, model: type[Model], **context: Any) -> Model:
    """The content of a YAML file. `context` is passed to the validators of the model.

    Raises TokenshareError that names the file, line, entry, key and value of every error in the
    file, and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = _Loader(text).get_single_data()
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: a day such as 2026-02-30
        raise TokenshareError(f"{path}: cannot be read: {error}") from error
    if document is None and issubclass(model, RootModel):
        document = []
    try:
        return model.model_validate(document, context=context)
    except ValidationError as error:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        found = error.errors()
        # If the only entry of a list is wrong, pydantic also reports that the list is too short.
        # Only the error of the entry is shown.
        deepest = [e for e in found if not any(_is_within(other, e) for other in found)]
        said = [f"{path}:{_describe(root, problem)}" for problem in deepest]
        raise TokenshareError("\n".join(dict.fromkeys(said))) from error


def _is_within(inner: ErrorDetails, outer: ErrorDetails) -> bool:
    place = outer["loc"]
    return len(inner["loc"]) > len(place) and inner["loc"][: len(place)] == place


def _describe(root: yaml.Node | None, problem: ErrorDetails) -> str:
    """`line: entry: key = value: what was expected`."""
    unknown = problem["type"] == "unknown_key"
    # `[key]` is pydantic's mark for an error in a key; it is not part of the file.
    place = [
        *(part for part in problem["loc"] if part != "[key]"),
        *([problem["ctx"]["key"]] if unknown else []),
    ]
    value = problem["ctx"]["value"] if unknown else problem["input"]
    node, line, entry, keys = root, 1, "", []
    for part in place:
        # A key that all entries share is written once, at the top of the file.
        line, node = _child(node, part) or _child(root, part) or (line, None)
        keys.append(str(part))
        if isinstance(part, int) and isinstance(node, yaml.MappingNode):
            fields = {key.value: value.value for key, value in node.value}
            named = [str(fields[name]) for name in _ID_FIELDS if name in fields]
            entry, keys = (named or [f"no. {part + 1}"])[0] + ": ", []
    field = ".".join(keys)
    hidden = not field or isinstance(value, dict) or problem["type"] == "missing"
    shown = "" if hidden else f" = {quoted(value)}"
    expected = _MESSAGES.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return f"{line}: {entry}{field}{shown}{': ' if field else ''}{expected}"


def _child(node: yaml.Node | None, part: int | str) -> tuple[int, yaml.Node] | None:
    """The line and the node of a key of a mapping, or of an item of a list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None
