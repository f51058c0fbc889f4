"""The shape that a document must have to be reported, checked field by field."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from trueward.files import JsonField

Shape: TypeAlias = Callable[[JsonField], object] | Mapping[str, "Shape"]
"""What a value is read as, or what an object's fields must be; further fields are left alone."""
NUMBER, NUMBERS = JsonField.number, JsonField.numbers
TEXT, OBJECT = JsonField.text, JsonField.members


def check(node: JsonField, shape: Shape) -> None:
    """Raise DataError naming file and field, unless the value has the shape."""
    if not isinstance(shape, Mapping):
        shape(node)
        return
    for name, inner in shape.items():
        check(node[name], inner)


def listed(shape: Shape) -> Shape:
    """A list of values of one shape."""

    def read(node: JsonField) -> None:
        for item in node.items():
            check(item, shape)

    return read


def named(shape: Shape) -> Shape:
    """An object of values of one shape, whatever their names."""

    def read(node: JsonField) -> None:
        for member in node.members().values():
            check(member, shape)

    return read


def nullable(shape: Shape) -> Shape:
    """Null, or a value of the shape."""

    def read(node: JsonField) -> None:
        if not node.is_null:
            check(node, shape)

    return read


def where_given(shapes: Mapping[str, Shape]) -> Shape:
    """An object whose fields of these names, where they are there, have these shapes."""

    def read(node: JsonField) -> None:
        for name, member in node.members().items():
            if name in shapes:
                check(member, shapes[name])

    return read


def numbers_of(*names: str) -> dict[str, Shape]:
    """An object with a number, or null, of each name."""
    return dict.fromkeys(names, NUMBER)
