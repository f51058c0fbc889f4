"""Reading and writing every JSON document of the package, checked against its declared type.

A document is one of two kinds, both declared field by field in this package:

- a frozen dataclass that derives from `Document`, for results that are computed and compared
  (`RunResult`, `StudyResults`, `SuiteResult`): `StudyResults.read(path)`, `results.write(path)`;
- a `TypedDict`, for documents that a report shows and copies as they are (`DiagnosticsDocument`,
  `BestOfNDocument`, `AlignDocument`, …): `read(path, AlignDocument)`, `write(document, path)`. A
  writer builds it as a literal, so the type checker sees every field that it sets.

In a dataclass an undefined `Number` is NaN, in a `TypedDict` a `NumberOrNull` is None; both are
`null` in the file, as are infinities. Fields that a type does not know are left alone.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeAlias, TypeVar, cast, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import get_type_hints

from trueward.files import JsonField, plain, read_json, write_json

T = TypeVar("T")
D = TypeVar("D", bound="Document")
NumberOrNull: TypeAlias = float | None
"""A number of a JSON document; null where it is undefined or infinite."""

_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number or null",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "dataclass_type": "an object",
}


class Document:
    """A frozen dataclass with a schema of its own, which stands first in its JSON form."""

    SCHEMA: ClassVar[str]

    @classmethod
    def read(cls: type[D], path: Path | str) -> D:
        """Return the document in a file.

        Raises:
            DataError: naming file and field, if anything is missing or of another type.
        """
        return cls.parse(read_json(path))

    @classmethod
    def parse(cls: type[D], document: JsonField) -> D:
        """Return the document at this place of a larger one; raises as `read`."""
        return parse(document, cls)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document: NaN is null."""
        return {"schema": self.SCHEMA, **plain(asdict(cast(Any, self)))}

    def write(self, path: Path | str) -> None:
        """Write the document, whole or not at all."""
        write_json(self.to_dict(), path)


def read(path: Path | str, kind: type[T]) -> T:
    """Return the document in a file, checked; raises DataError naming file and field."""
    return parse(read_json(path), kind)


def parse(document: JsonField, kind: type[T]) -> T:
    """Return a value of a JSON document, checked to be what `kind` declares.

    A dataclass comes back as one of it; a `TypedDict` as the very object, with further fields.

    Raises:
        DataError: naming file and field, if anything is missing or of another type.
    """
    if isinstance(schema := getattr(kind, "SCHEMA", None), str):
        check_schema(document, schema)
    try:
        found = _validator(cast(Any, kind))(json.dumps(document.value), strict=True)
    except ValidationError as error:
        _refuse(document, error.errors(include_url=False)[0])
    if not is_dataclass(kind):
        return cast(T, document.value)
    for name in (f.name for f in fields(kind) if f.default_factory is not MISSING):
        document[name]  # a default is for who builds the document: written ones have every field
    return cast(T, found)


def write(document: Mapping[str, Any], path: Path | str) -> None:
    """Write a `TypedDict` document, whole or not at all; NaN, infinities and None are null."""
    write_json(document, path)


def schema_of(kind: type) -> str:
    """Return the schema that documents of this type carry."""
    own: str | None = getattr(kind, "SCHEMA", None)
    return own or str(get_args(get_type_hints(kind)["schema"])[0])


def check_schema(document: JsonField, schema: str) -> None:
    """Raise DataError unless the document is of that schema."""
    if document["schema"].value != schema:
        document["schema"].fail(f'"{schema}"')


def expect(sound: bool, expected: str, *below: str | int) -> None:
    """Refuse, within a validator, the field that lies `below` the one that is validated."""
    if not sound:
        raise PydanticCustomError("expected", "{expected}", {"expected": expected, "below": below})


def expect_alike(lengths: Iterable[int], first: str, second: str, *below: str) -> None:
    """Refuse two lists that must go together and differ in length."""
    one, other = lengths
    expect(one == other, f"a list of {one} like '{first}'", *below, second)


@cache
def _validator(kind: type) -> Callable[..., Any]:
    return TypeAdapter(kind).validate_json


def _refuse(document: JsonField, error: ErrorDetails) -> NoReturn:
    context = error.get("ctx", {})
    node = document
    for step in (*error["loc"], *context.get("below", ())):
        node = node.items()[step] if isinstance(step, int) else node[step]
    expected = str(context.get("expected", error["msg"])).replace("'", '"')
    if error["type"] == "expected":
        expected = str(context["expected"])
    node.fail(_EXPECTED.get(error["type"], expected))
