"""Markup from pure functions: text is escaped unless it is already `Html`."""

from html import escape


class Html(str):
    """Markup that may be placed as it is."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str | bool | None) -> Html:
    """An element; plain strings are escaped, `Html` is not.

    Attribute names drop a closing underscore and turn others into hyphens (`class_`,
    `aria_label`); None and False leave the attribute out, True gives it no value.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """Children one after the other, escaped where they are plain strings."""
    return Html("".join(c if isinstance(c, Html) else escape(c) for c in children))


def section(identifier: str, title: str, *children: str) -> Html:
    """A section with its heading, named by it for screen readers."""
    heading = element("h2", title, id=identifier)
    return element("section", heading, *children, aria_labelledby=identifier)


def table(caption: str, head: list[Html], rows: list[Html], class_: str = "") -> Html:
    """A captioned table in a box of its own, which scrolls and takes the keyboard's focus."""
    body = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *head)),
        element("tbody", *rows),
        class_=class_ or None,
    )
    return element("div", body, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _attribute(key: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(value)}"'
